"""The same recording has the same text, by whatever way it comes: file, HTTP, WebSocket, Wyoming and microphone."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from conftest import ROOT
from service import SAMPLES, Served, serving
from torchaudio import functional
from websockets.sync.client import connect
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient

import asr
from asr.audio.load import SAMPLE_RATE
from asr.data.manifests.manifest import read_manifest
from asr.runtime.transcriber import Transcriber

RECORDINGS = sorted(SAMPLES.glob("*.flac"))


@pytest.fixture(scope="module")
def model() -> asr.Model:
    return asr.load()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("same") / "log", "--wyoming", "0", "--max-rate", "0") as made:
        yield made


def pcm(path: Path) -> bytes:
    samples, rate = soundfile.read(path, dtype="int16")
    assert (samples.ndim, rate) == (1, SAMPLE_RATE)
    return bytes(samples.tobytes())


def by_http(served: Served, path: Path) -> str:
    return served.client().audio.transcriptions.create(model="asr", file=path).text


def by_websocket(served: Served, path: Path) -> str:
    sound = pcm(path)
    with connect(f"ws://127.0.0.1:{served.port}/v1/stream") as stream:
        stream.send(json.dumps({"type": "start", "encoding": "pcm_s16le", "rate": SAMPLE_RATE}))
        for at in range(0, len(sound), 3200):
            stream.send(sound[at : at + 3200])
        stream.send('{"type": "end"}')
        events = [json.loads(message) for message in stream]
    assert events[-1]["type"] == "closed"
    return " ".join(event["text"] for event in events if event["type"] == "final")


def by_wyoming(served: Served, path: Path) -> str:
    async def ask() -> str:
        sound = pcm(path)
        async with AsyncTcpClient("127.0.0.1", served.wyoming) as client:
            await client.write_event(AudioStart(SAMPLE_RATE, 2, 1).event())
            for at in range(0, len(sound), 2048):
                await client.write_event(AudioChunk(SAMPLE_RATE, 2, 1, sound[at : at + 2048]).event())
            await client.write_event(AudioStop().event())
            while (event := await client.read_event()) is not None:
                if Transcript.is_type(event.type):
                    return Transcript.from_event(event).text
        raise AssertionError("no transcript came")

    return asyncio.run(ask())


@pytest.mark.parametrize("ask", [by_http, by_websocket, by_wyoming])
def test_a_service_says_what_the_file_says(
    served: Served, model: asr.Model, ask: Callable[[Served, Path], str]
) -> None:
    wanted = {path.stem: model.transcribe(path).text for path in RECORDINGS}
    assert len(set(wanted.values())) == len(RECORDINGS)
    assert {path.stem: ask(served, path) for path in RECORDINGS} == wanted


def texts_by_frames(transcriber: Transcriber, path: Path) -> set[str]:
    """What is heard with the frames begun a little later each time, with a hiss of -80 dB: half as loud too, and after
    the highest tones were lost on the way through 48 kHz, as the sound server's resampling loses them.
    """
    samples, _ = soundfile.read(path, dtype="float32")
    by_48_khz = functional.resample(torch.from_numpy(samples), SAMPLE_RATE, 48_000, 16, rolloff=0.9)
    back = functional.resample(by_48_khz, 48_000, SAMPLE_RATE, 16, rolloff=0.9).numpy()
    generator = np.random.default_rng(0)
    waves = [np.pad(heard, (late, 0)) for heard in (samples, 0.5 * samples, back) for late in range(0, 160, 20)]
    hissing = [wave + 1e-4 * generator.standard_normal(len(wave)) for wave in waves]
    return {transcriber.transcribe(wave.astype(np.float32)).text for wave in hissing}


@pytest.mark.slow
def test_a_microphone_says_what_the_file_says(sound_server: dict[str, str]) -> None:
    """Of recordings that are surely understood: through the sound server samples change, and frames begin anywhere."""
    said = {each.path.name: each.text for each in read_manifest(SAMPLES / "transcripts.tsv")}
    transcriber = Transcriber.from_bundle("default")
    recordings = [path for path in RECORDINGS if texts_by_frames(transcriber, path) == {said[path.name]}]
    assert len(recordings) > 4
    command = [sys.executable, "-m", "asr", "mic", "--json"]
    environment = sound_server | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as listener:
        try:
            assert listener.stderr is not None
            assert "listening" in listener.stderr.readline()
            for path in recordings:
                subprocess.run(["paplay", path], env=sound_server, check=True)
                time.sleep(1.5)  # so that each is an utterance
            listener.send_signal(signal.SIGINT)
            out, errors = listener.communicate(timeout=60)
        finally:
            listener.kill()
    assert "Traceback" not in errors
    finals = [event["text"] for event in map(json.loads, out.splitlines()) if event.get("type", "final") == "final"]
    assert finals == [said[path.name] for path in recordings]
