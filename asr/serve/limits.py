"""How often a client may ask."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

_MOST_CLIENTS: Final = 10_000  # that are remembered; beyond them those are forgotten that asked longest ago


class RateLimit:
    """A bucket of tokens for each client: a minute's requests at once, and then as many as trickle in."""

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``per_minute`` 0 sets no limit; ``clock`` gives seconds."""
        self._size, self._clock = per_minute, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when there were so many

    def wait(self, address: str) -> float:
        """Takes a token of a client's and returns 0; where there is none, the seconds until there is one again."""
        if not self._size:
            return 0.0
        client, now = _client(address), self._clock()
        tokens, at = self._buckets.pop(client, (max(1.0, self._size), now))
        tokens = min(max(1.0, self._size), tokens + (now - at) * self._size / 60)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - allowed, now)
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) * 60 / self._size


def _client(address: str) -> str:
    """Whoever has an IPv6 address has a whole network of them."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 6 and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return address
