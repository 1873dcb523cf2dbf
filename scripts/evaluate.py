"""`asr evaluate` from a checkout that is not installed: python scripts/evaluate.py MANIFEST [--bundle DIR]."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from asr.apps.cli import app, run  # needs the line above

if __name__ == "__main__":
    sys.exit(run(app, ["evaluate", *sys.argv[1:]], "asr"))
