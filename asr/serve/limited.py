"""Run `asr` with limits: ``python -m asr.serve.limited SECONDS BYTES ARGUMENT...``.

For what a client of the service brings: beyond so many seconds of processor time, or bytes of memory, the process ends.
"""

import runpy
import sys


def main() -> None:
    """Take the limits off the arguments, set them, and run the rest."""
    seconds, size = map(int, sys.argv[1:3])
    try:
        import resource
    except ImportError:  # not on this system; whoever started it has a limit on the time
        pass
    else:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    sys.argv[1:] = sys.argv[3:]
    runpy.run_module("asr", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
