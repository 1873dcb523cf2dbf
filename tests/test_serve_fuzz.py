"""The service against values that nobody thinks of: by HTTP drawn from its own description, by sockets of any shape."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
import schemathesis
from conftest import ROOT
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance
from service import FIVE, Served, serving
from test_same_text import by_websocket, by_wyoming
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

DRAWN = settings(max_examples=60, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
OGG = next((ROOT / "tests" / "data" / "speech_commands").rglob("*.opus")).read_bytes()
GRAMMAR = 'commands:\n  a: ["five five"]\n'

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([8000, 16000, 48000, 2, "start", "end", "opus", "pcm_s16le", "computer", "\ud800", "a" * 9000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def mostly(usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any] = anything) -> st.SearchStrategy[Any]:
    """Nine times in ten what is usual: else nothing is right as a whole."""
    return st.integers(0, 9).flatmap(lambda drawn: usual if drawn else odd)


# What is no grammar costs a process each.
no_text = anything.filter(lambda drawn: not isinstance(drawn, str))
forms = st.fixed_dictionaries(
    {"type": mostly(st.just("start"))},
    optional={
        "encoding": mostly(st.sampled_from(["opus", "pcm_s16le"])),
        "rate": mostly(st.sampled_from([8000, 16000, 44100])),
        "partials": mostly(st.booleans()),
    },
)
choices = st.just({}) | st.fixed_dictionaries(
    {}, optional={"commands": mostly(st.just("computer")), "grammar": mostly(st.just(GRAMMAR), no_text)}
)
starts = st.tuples(forms, choices, mostly(st.just({}), st.dictionaries(st.text(max_size=8), anything, max_size=2))).map(
    lambda drawn: json.dumps(drawn[0] | drawn[1] | drawn[2])
)


@st.composite
def broken_oggs(draw: st.DrawFn) -> bytes:
    """The beginning of a recording with some bits turned."""
    data = bytearray(OGG[: draw(st.integers(0, len(OGG)))])
    for place in draw(st.lists(st.integers(0, max(len(data) - 1, 0)), max_size=4)) if data else ():
        data[place] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


end = st.just('{"type": "end"}')
sounds = st.binary(max_size=3000) | st.integers(0, 4000).map(bytes) | broken_oggs()
messages = mostly(sounds, end | anything.map(json.dumps) | starts | st.text(max_size=50))


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """An event of Wyoming, or something like one."""
    fields = {"rate": mostly(st.just(16_000)), "width": mostly(st.just(2)), "channels": mostly(st.just(1))}
    more = {"text": anything, "another": anything}
    form = mostly(st.fixed_dictionaries(fields, optional=more), st.fixed_dictionaries({}, optional=fields | more))
    kinds = st.sampled_from(["audio-start", "audio-chunk", "audio-stop", "describe", "ping", "transcribe"])
    payload, appended = draw(sounds), json.dumps(draw(anything)).encode()
    event: dict[str, Any] = {"type": draw(mostly(kinds)), "data": draw(mostly(form))}
    if draw(st.booleans()):
        event["payload_length"] = draw(mostly(st.just(len(payload))))
    if draw(st.booleans()):
        event["data_length"] = draw(mostly(st.just(len(appended))))
    line = json.dumps(event).encode() + b"\n"
    return line + (appended if "data_length" in event else b"") + (payload if "payload_length" in event else b"")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("fuzz") / "log", "--max-rate", "0", "--wyoming", "0") as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("mode", GenerationMode)
def test_nothing_drawn_from_the_description_is_a_fault(served: Served, mode: GenerationMode) -> None:
    """Neither what keeps to the description nor what does not."""
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 3
    for operation in operations:

        @settings(max_examples=25, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: schemathesis.Case) -> None:
            case.call_and_validate(
                checks=[not_a_server_error, status_code_conformance, response_schema_conformance], timeout=60
            )

        with suppress(Unsatisfiable):  # nothing can be wrong about a request without anything in it
            check()
    assert served.process.poll() is None
    assert not [line for line in served.lines if line["level"] == "error"]


def test_the_description_names_every_route_and_how_it_refuses(served: Served) -> None:
    described = httpx.get(f"{served.url}/openapi.json").json()
    posted = described["paths"]["/v1/audio/transcriptions"]["post"]
    assert {"400", "401", "413", "429", "503"} <= posted["responses"].keys()
    fields = described["components"]["schemas"]["Body_transcriptions_v1_audio_transcriptions_post"]["properties"]
    assert {"file", "model", "response_format", "timestamp_granularities[]", "stream", "commands"} <= fields.keys()


def check_well(served: Served) -> None:
    """It has written of no fault, and hears."""
    assert not [line for line in served.lines if line["level"] == "error"]
    assert by_websocket(served, FIVE) == by_wyoming(served, FIVE) == "five five"


def test_no_messages_of_a_stream_are_a_fault(served: Served) -> None:
    @DRAWN
    @given(start=mostly(starts, messages), more=st.lists(messages, max_size=5))
    def check(start: str | bytes, more: list[str | bytes]) -> None:
        with connect(f"ws://127.0.0.1:{served.port}/v1/stream", open_timeout=60) as stream:
            with suppress(ConnectionClosed):
                for message in (start, *more, '{"type": "end"}'):
                    stream.send(message)
            with suppress(ConnectionClosed):
                while True:
                    assert "type" in json.loads(stream.recv(timeout=60))
        assert stream.close_code in {1000, 1003, 1007, 1008, 1009}

    check()
    check_well(served)


def test_no_events_of_wyoming_are_a_fault(served: Served) -> None:
    @DRAWN
    @given(sent=st.lists(events(), min_size=1, max_size=4))
    def check(sent: list[bytes]) -> None:
        answer = b""
        with socket.create_connection(("127.0.0.1", served.wyoming), 60) as stream, suppress(ConnectionError):
            stream.sendall(b"".join(sent))
            stream.shutdown(socket.SHUT_WR)
            while got := stream.recv(65_536):
                answer += got
        if answer:
            assert "type" in json.loads(answer.partition(b"\n")[0])

    check()
    check_well(served)
