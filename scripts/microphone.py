"""Say something and read it: microphone to text, from a checkout."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from asr.apps.mic import listen, show
from asr.audio.microphone import microphone_blocks
from asr.errors import AsrError
from asr.runtime.transcriber import Transcriber


def main() -> int:
    """Listen until ctrl-C; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--device", help="number or part of the name of a microphone; `python -m sounddevice` lists them"
    )
    parser.add_argument(
        "--bundle", type=Path, help="folder of the model; the one that comes with the package if left out"
    )
    options = parser.parse_args()
    device = int(options.device) if options.device and options.device.isdecimal() else options.device
    try:
        transcriber = Transcriber.from_bundle(options.bundle)
        listen(microphone_blocks(device, report=show), transcriber.transcribe, show)
    except AsrError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
