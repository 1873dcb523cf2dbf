"""What every route of a service has at hand."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from asr.serve.metrics import Metrics
from asr.serve.pool import Pool
from asr.serve.settings import ServeSettings


@dataclass(frozen=True)
class Service:
    """The settings of a service, its workers and its counters."""

    settings: ServeSettings
    pool: Pool

    @property
    def metrics(self) -> Metrics:
        """What it counts."""
        return self.pool.metrics


def service_of(connection: HTTPConnection) -> Service:
    """The service that a request or a socket came to."""
    found = connection.app.state.service
    assert isinstance(found, Service)
    return found
