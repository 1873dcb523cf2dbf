"""`asr transcribe` from a checkout that is not installed: python scripts/transcribe.py FILES..."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from asr.apps.main import transcribe_main  # needs the line above

if __name__ == "__main__":
    transcribe_main()
