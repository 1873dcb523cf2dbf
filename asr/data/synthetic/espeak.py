"""Speaks many texts by the library of espeak-ng: a program of its own, which needs nothing but Python.

Reads lines of JSON, ``[text, voice, words a minute, pitch]``, and writes for each the sample rate and the number of
bytes (two unsigned 32-bit little-endian numbers) and so many bytes of 16-bit mono samples; 0 bytes if it cannot be
spoken. The waves are those of the program ``espeak-ng``, which takes four times as long to start as to speak.

What the library speaks depends a little on what it spoke before, so each text is spoken by a copy of a process that has
not spoken yet. Ends with status 3 if there is no such library.
"""

import ctypes
import json
import os
import signal
import struct
import sys

LIBRARY = "libespeak-ng.so.1"
NO_LIBRARY = 3

# From speak_lib.h.
_SYNCHRONOUS = 2
_RATE, _PITCH = 1, 3
_AT_CHARACTER = 1
_PHONEMES_AND_END_PAUSE = 0x1100  # as the program sets them
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class _VoiceWanted(ctypes.Structure):
    """espeak_VOICE: a voice looked for by its properties."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("bytes", ctypes.c_ubyte * 4),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


def main() -> None:
    """Speaks what standard input lists, to standard output."""
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        sys.exit(NO_LIBRARY)
    sample_rate = library.espeak_Initialize(_SYNCHRONOUS, 0, None, 0)
    if sample_rate <= 0:
        sys.exit(NO_LIBRARY)
    library.espeak_ListVoices(None)  # reads the folder of voices once, and not again in each copy
    out = sys.stdout.fileno()
    for line in sys.stdin.buffer:
        reader, writer = os.pipe()
        copy = os.fork()
        if copy == 0:
            # Where its parent is killed nobody reads, and it shall end: as long as it could read itself, it would wait.
            os.close(reader)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(_spoken(library, *json.loads(line)))
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            samples = pipe.read()
        ended_well = os.waitpid(copy, 0)[1] == 0
        data = struct.pack("<II", sample_rate, len(samples) * ended_well) + samples * ended_well
        while data:
            data = data[os.write(out, data) :]


def _spoken(library: ctypes.CDLL, text: str, voice: str, words_per_minute: int, pitch: int) -> bytes:
    """16-bit samples; none for a voice that the library does not know."""
    pieces: list[bytes] = []

    def keep(samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _CALLBACK(keep)
    library.espeak_SetSynthCallback(callback)
    wanted = _VoiceWanted(languages=voice.encode())
    if library.espeak_SetVoiceByName(voice.encode()) and library.espeak_SetVoiceByProperties(ctypes.byref(wanted)):
        return b""
    library.espeak_SetParameter(_RATE, words_per_minute, 0)
    library.espeak_SetParameter(_PITCH, pitch, 0)
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, _AT_CHARACTER, 0, _PHONEMES_AND_END_PAUSE, None, None)
    return b"".join(pieces)


if __name__ == "__main__":
    main()
