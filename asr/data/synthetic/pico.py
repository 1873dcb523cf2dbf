"""Speaks many texts by SVOX Pico: a program of its own, which needs nothing but the package ttspico.

Reads lines of JSON, ``[text, language, rate, pitch]`` with 100 for the voice's own rate and pitch, and writes for each
the sample rate and the number of bytes (two unsigned 32-bit little-endian numbers) and so many bytes of 16-bit mono
samples; 0 bytes if there was nothing to say. It speaks the same whatever was spoken before.
"""

import json
import os
import struct
import sys

SAMPLE_RATE = 16_000

# At its own 100 loud vowels are clipped, and at 60 those of a voice lowered by a third.
VOLUME = 40


def main() -> None:
    """Speaks what standard input lists, to standard output."""
    import ttspico

    out = sys.stdout.fileno()
    for line in sys.stdin.buffer:
        text, language, rate, pitch = json.loads(line)
        engine = ttspico.TtsEngine(language)  # a new one each time: what one speaks depends on what it spoke before
        engine.volume, engine.rate, engine.pitch = VOLUME, rate, pitch
        # What looks like a tag is taken for one; & it calls ampersand.
        samples = engine.speak(text.replace("<", " ").replace(">", " ").replace("&", " and ")) or b""
        data = struct.pack("<II", SAMPLE_RATE, len(samples)) + samples
        while data:
            data = data[os.write(out, data) :]


if __name__ == "__main__":
    main()
