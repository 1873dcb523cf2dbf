"""What a service counts, for Prometheus."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_FACTORS: Final = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """Counters of one service; no label has a value that a client can invent."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("route", "status")
        self.requests = Counter("asr_requests", "Requests that were answered.", labels, registry=self._registry)
        self.latency = Histogram(
            "asr_request_seconds",
            "From a request to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.queued = Histogram(
            "asr_queue_seconds", "How long work waited for a worker.", buckets=_SECONDS, registry=self._registry
        )
        self.waiting = Gauge("asr_queue_length", "Work that waits for a worker.", registry=self._registry)
        self.audio = Counter("asr_audio_seconds", "Sound that was heard.", ("way",), registry=self._registry)
        self.real_time = Histogram(
            "asr_real_time_factor",
            "Seconds that a worker took for a second of sound.",
            ("way",),
            buckets=_FACTORS,
            registry=self._registry,
        )
        self.refusals = Counter(
            "asr_refusals", "Requests and streams that were refused.", ("reason",), registry=self._registry
        )
        self.streams = Gauge("asr_streams", "Streams that are open.", registry=self._registry)
        self.reloads = Counter("asr_reloads", "Reloads, and how they went.", ("result",), registry=self._registry)

    def heard(self, way: str, sound_seconds: float, work_seconds: float) -> None:
        """Count sound that a worker heard, by the way it came: ``http``, ``stream`` or ``wyoming``."""
        self.audio.labels(way).inc(sound_seconds)
        if sound_seconds > 0:
            self.real_time.labels(way).observe(work_seconds / sound_seconds)

    def text(self) -> bytes:
        """All of it in the form that Prometheus reads, of the type ``CONTENT_TYPE``."""
        return generate_latest(self._registry)
