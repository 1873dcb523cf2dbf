"""The service against values that nobody thinks of, drawn from its own description."""

from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance
from service import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("fuzz") / "log", "--max-rate", "0") as made:
        yield made


@pytest.fixture
def described(served: Served) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{served.url}/openapi.json")


schema = schemathesis.pytest.from_fixture("described")


@pytest.mark.slow
@schema.parametrize()
@settings(max_examples=60, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))
def test_nothing_drawn_from_the_description_is_a_fault(case: schemathesis.Case, served: Served) -> None:
    case.call_and_validate(
        checks=[not_a_server_error, status_code_conformance, response_schema_conformance], timeout=60
    )
    assert served.process.poll() is None


def test_the_description_names_every_route_and_how_it_refuses(served: Served) -> None:
    described = httpx.get(f"{served.url}/openapi.json").json()
    posted = described["paths"]["/v1/audio/transcriptions"]["post"]
    assert {"400", "401", "413", "429", "503"} <= posted["responses"].keys()
    fields = described["components"]["schemas"]["Body_transcriptions_v1_audio_transcriptions_post"]["properties"]
    assert {"file", "model", "response_format", "timestamp_granularities[]", "stream", "commands"} <= fields.keys()
