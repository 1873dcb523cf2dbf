"""What a live session costs, how steady its partial results are, and what it takes for speech.

    scripts/bench/bench_live.py --speech MANIFEST... --noise MANIFEST... [--utterances 40] [--seconds 240]

Three tables. How late a final result is: of a command of three seconds by the ready grammar `computer`, from the end of
speech, the wait of the end-pointer apart. Partial results over recordings: how often they come, what they cost, and of
the words that were shown how many were changed afterwards. What is begun and decoded where nobody speaks, and what is
lost where somebody does, beside what the recording gives when it is heard whole.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when numpy is imported

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from accuracy_sets import drawn
from markdown_tables import heading, table
from sphinx import Wave

from asr.apps.failures import complain
from asr.audio.load import SAMPLE_RATE, load_audio
from asr.audio.speech import find_speech
from asr.data.manifests.manifest import read_manifest, read_utterance
from asr.errors import AsrError
from asr.evaluation.scoring import align
from asr.runtime.commander import Commander
from asr.runtime.endpoint import Endpointer, EndpointSettings
from asr.runtime.live import Final, LiveSession, Partial
from asr.runtime.transcriber import Transcriber

COMMAND = "recipes/commands/samples/check_the_battery_log.flac"  # 2.7 s of speech
BLOCK = SAMPLE_RATE // 20
PAUSE = np.zeros(SAMPLE_RATE, np.float32)


def blocks_of(wave: Wave) -> Iterator[Wave]:
    """A wave as a microphone gives it."""
    for start in range(0, len(wave), BLOCK):
        yield wave[start : start + BLOCK]


def late(commander: Commander | None, transcriber: Transcriber, wave: Wave) -> tuple[float, float]:
    """Milliseconds from the end of speech to the final result, the wait of the end-pointer left out, and that wait.

    The clock is that of the sound, and goes on by the processor time of this process where the session is at work.
    """
    session, now, heard = LiveSession(transcriber, commander), 0.0, 0
    for block in blocks_of(np.concatenate([PAUSE, wave, PAUSE])):
        heard += len(block)
        now = max(now, heard / SAMPLE_RATE)
        begun = time.process_time()
        events = session.feed(block)
        now += time.process_time() - begun
        for event in events:
            if isinstance(event, Final):
                wait = EndpointSettings().hangover_seconds
                return 1000 * (now - event.end - wait), 1000 * wait
    raise AsrError(f"{COMMAND}: was not heard")
