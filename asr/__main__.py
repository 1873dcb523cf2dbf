"""`python -m asr`: the `asr` command."""

from asr.apps.main import main

if __name__ == "__main__":
    main()
