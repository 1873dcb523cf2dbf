"""The service against values that nobody thinks of, drawn from its own description."""

from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance
from service import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("fuzz") / "log", "--max-rate", "0") as made:
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
