"""OpenAI's API: its own client against a running service, beside what `asr transcribe` makes of the same recordings."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import soundfile
from service import COMMAND, FIND, FIVE, SAMPLES, Served, serving
from test_layers import TRAINING_ONLY

from asr.apps.cli import app, run

COFFEE = """commands:
  order: ["[please] (find|brew) my {drink}"]
lists:
  drink: [coffee, files]
"""
FORMATS = {"text": "text", "srt": "srt", "vtt": "vtt"}


WITHOUT_TRAINING = f"""
import sys
for package in {sorted(TRAINING_ONLY)!r}:
    sys.modules[package] = None  # importing it raises ImportError
from asr.apps.main import main
main()
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service where no package of training is to be had."""
    folder = tmp_path_factory.mktemp("serve")
    (folder / "coffee.yaml").write_text(COFFEE)
    options = ("--commands", folder / "coffee.yaml", "--max-rate", "0")
    with serving(folder / "log", *options, command=("-c", WITHOUT_TRAINING, *COMMAND[2:])) as made:
        yield made


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than is heard in one: samples with a second between them."""
    waves = [soundfile.read(path)[0] for path in sorted(SAMPLES.glob("*.flac"))] * 2
    wave = np.concatenate([np.pad(each, (0, 16_000)) for each in waves])
    path = tmp_path_factory.mktemp("long") / "long.flac"
    soundfile.write(path, wave, 16_000)
    return path


def transcribed(recording: Path, folder: Path, *options: str) -> str:
    """What `asr transcribe` writes of a recording."""
    folder.mkdir(exist_ok=True)
    assert run(app, ["transcribe", str(recording), "--out", str(folder), *options], "asr") == 0
    (written,) = folder.iterdir()
    return written.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_is_that_of_the_command(served: Served, long: Path, tmp_path: Path, form: str) -> None:
    answer = served.client().audio.transcriptions.create(model="whisper-1", file=long, response_format=form)
    assert answer == transcribed(long, tmp_path / form, "--format", form)
    assert len(answer) > 100


def test_verbose_json_has_the_numbers_of_the_command(served: Served, long: Path, tmp_path: Path) -> None:
    wanted = json.loads(transcribed(long, tmp_path / "json", "--json"))
    answer = served.client().audio.transcriptions.create(
        model="whisper-1", file=long, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert (answer.text, answer.duration, answer.language) == (wanted["text"], wanted["seconds"], "english")
    assert [each.model_dump() for each in answer.words or []] == wanted["words"]
    segments = [
        {name: getattr(each, name) for name in ("text", "confidence", "start", "end")} for each in answer.segments or []
    ]
    assert segments == wanted["segments"]
    assert len(segments) > 1


def test_only_what_is_asked_for_comes_with_verbose_json(served: Served) -> None:
    create = served.client().audio.transcriptions.create
    words = create(model="x", file=FIVE, response_format="verbose_json", timestamp_granularities=["word"])
    plain = create(model="x", file=FIVE, response_format="verbose_json")
    assert (words.words is None, words.segments is None) == (False, True)
    assert (plain.words is None, plain.segments is None) == (True, False)


@pytest.mark.parametrize("name", ["timestamp_granularities", "timestamp_granularities[]"])
def test_granularities_are_taken_by_either_name(served: Served, name: str) -> None:
    fields = {"response_format": "verbose_json", name: ["word"]}
    with FIVE.open("rb") as file:
        url = f"{served.url}/v1/audio/transcriptions"
        found = httpx.post(url, data=fields, files={"file": file}, timeout=60).json()
    assert ("words" in found, "segments" in found) == (True, False)


@pytest.mark.parametrize(
    ("path", "sent", "message", "status", "code"),
    [
        (
            "/v1/grammar",
            {"content": b"{", "headers": {"Content-Type": "application/json"}},
            "wanted an object",
            400,
            "invalid_value",
        ),
        ("/v1/grammar", {"json": {}}, "grammar: found none, wanted one", 400, "invalid_value"),
        ("/v1/grammar", {"json": {"grammar": "commands: {a: ['{y}']}"}}, "grammar.yaml:", 400, "bad_grammar"),
        ("/v1/look", {"data": {"file": "x"}}, "file: found a text, wanted a file", 400, "invalid_value"),
        ("/v1/audio/transcriptions", {}, "file: found none, wanted one", 400, "invalid_value"),
        ("/v1/audio/transcriptions", {"files": {"file": b"no sound"}}, "upload: found text", 400, "invalid_file"),
        ("/v1/audio/transcriptions", {"headers": {"Origin": "null"}}, "Origin: ", 403, "foreign_origin"),
        ("/v1/look", {"headers": {"Host": "x.example"}}, "Host: ", 421, "unknown_host"),
    ],
)
def test_a_refusal_is_said_and_logged_by_its_code(
    served: Served, path: str, sent: dict[str, Any], message: str, status: int, code: str
) -> None:
    known = len(served.lines)
    answer = httpx.post(f"{served.url}{path}", timeout=60, **sent)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert message in error["message"]
    assert not error["message"].startswith("asr: ")
    deadline = time.monotonic() + 20
    # The line of the request before may still be on its way.
    own = {"route": path, "status": status}
    while not (lines := [line for line in served.lines[known:] if own.items() <= line.items()]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [line["code"] for line in lines] == [code]


def test_events_add_up_to_the_text(served: Served, long: Path) -> None:
    *deltas, done = served.client().audio.transcriptions.create(model="whisper-1", file=long, stream=True)
    assert [each.type for each in deltas] == ["transcript.text.delta"] * len(deltas)
    assert done.type == "transcript.text.done"
    assert "".join(each.delta for each in deltas if each.type == "transcript.text.delta") == done.text
    assert done.text == served.client().audio.transcriptions.create(model="whisper-1", file=long).text
    assert len(deltas) > 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_bad_recording_is_refused_by_the_line_of_the_command(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], stream: bool
) -> None:
    (tmp_path / "bad.wav").write_bytes(FIVE.read_bytes()[:1000])
    assert run(app, ["transcribe", str(tmp_path / "bad.wav")], "asr") == 1
    line = capsys.readouterr().err.removeprefix(f"asr: {tmp_path}/").strip()
    with pytest.raises(openai.BadRequestError) as refused:
        served.client().audio.transcriptions.create(model="x", file=tmp_path / "bad.wav", stream=stream)
    assert refused.value.body == {
        "message": line,
        "type": "invalid_request_error",
        "param": "file",
        "code": "invalid_file",
    }


def test_a_command_of_a_grammar_of_its_own_or_a_ready_one(served: Served) -> None:
    create = served.client().audio.transcriptions.create
    for grammar, command, slots in (
        ("coffee", "order", {"drink": "files"}),
        ("computer", "find", {"what": "files"}),
    ):
        answer = create(model="x", file=FIND, extra_body={"commands": grammar})
        found = (answer.understood, answer.command, answer.slots)
        assert found == (True, command, slots)
        assert 0.5 < answer.command_confidence <= 1
    refused = create(model="x", file=FIVE, extra_body={"commands": "coffee"})
    assert (refused.understood, refused.command, refused.slots) == (False, None, {})
    assert refused.text == "five five"


@pytest.mark.parametrize("name", ["coffee.yaml", "../configs/commands/computer.yaml", "/etc/passwd", "x" * 5000])
def test_a_client_names_no_files(served: Served, name: str) -> None:
    with pytest.raises(openai.BadRequestError, match="wanted one of coffee, computer") as refused:
        served.client().audio.transcriptions.create(model="x", file=FIND, extra_body={"commands": name})
    assert len(str(refused.value)) < 400


def test_the_model_is_listed(served: Served) -> None:
    (listed,) = served.client().models.list()
    assert (listed.id, listed.object) == ("default", "model")
    assert served.client().models.retrieve("default") == listed
    with pytest.raises(openai.NotFoundError):
        served.client().models.retrieve("whisper-1")


def test_fields_without_effect_are_taken_and_named(served: Served) -> None:
    answer = served.client().audio.transcriptions.with_raw_response.create(
        model="whisper-1", file=FIVE, language="en", prompt="figures", temperature=0.2, include=["logprobs"]
    )
    assert answer.headers["asr-ignored"] == "model, language, prompt, temperature, include[]"
    plain = served.client().audio.transcriptions.with_raw_response.create(model="default", file=FIVE)
    assert "asr-ignored" not in plain.headers
    assert plain.parse().text == answer.parse().text == "five five"


def test_what_happened_is_counted_and_logged_without_what_was_said(served: Served) -> None:
    before = httpx.get(f"{served.url}/metrics").text
    served.client().audio.transcriptions.create(model="x", file=FIVE, extra_headers={"Authorization": "Bearer seven"})
    after = httpx.get(f"{served.url}/metrics").text
    seconds = soundfile.info(FIVE).duration

    def count(text: str, name: str) -> float:
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

    for name, more in (
        ('asr_requests_total{route="/v1/audio/transcriptions",status="200"}', 1.0),
        ("asr_audio_seconds_total", seconds),
        ("asr_real_time_factor_count", 1.0),
        ("asr_queue_seconds_count", 1.0),
        ("asr_request_seconds_count", 2.0),  # the first of the two for the metrics too
    ):
        assert count(after, name) - count(before, name) == pytest.approx(more, abs=1e-3), name
    line = served.logged("request")
    assert line["route"] == "/v1/audio/transcriptions"
    assert line["audio_seconds"] == pytest.approx(seconds, abs=1e-3)
    text = served.log.read_text(encoding="utf-8")
    assert "five five" not in text
    assert "seven" not in text


def test_transcripts_are_logged_where_they_are_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path / "log", "--log-transcripts") as made:
        made.client().audio.transcriptions.create(model="x", file=FIVE)
        assert made.logged("request")["text"] == "five five"
