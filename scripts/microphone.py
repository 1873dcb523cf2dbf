"""`asr mic` from a checkout that is not installed: python scripts/microphone.py [--commands GRAMMAR]"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from asr.apps.main import mic_main  # needs the line above

if __name__ == "__main__":
    mic_main()
