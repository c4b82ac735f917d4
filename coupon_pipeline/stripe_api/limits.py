"""How fast we may call: one bucket for the account and one for each endpoint.

The documented limits are 100 requests a second for a live account, 25 for a test account or
sandbox, and 25 for each endpoint: https://docs.stripe.com/rate-limits
A part of them is left to the company's own traffic. When a 429 comes anyway, the bucket that
Stripe names is halved and recovers slowly.
"""

import math
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Scope: TypeAlias = Literal["account", "endpoint"]

HEADROOM = 0.96
"""Requests bunch up on their way, so that exactly the limit would sometimes be too much."""
LATENESS_SECONDS = 0.02
"""By so much may a request be early after one that was late, since threads never wake in time."""
RECOVERY_PER_SECOND = 0.02
"""Part of the full rate that comes back each second after it was halved."""
SETTLING_SECONDS = 1.0
"""Refusals of requests that were on their way together count once."""
SLOWEST_PER_SECOND = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests a second that Stripe allows, and the share of them that others keep."""

    account_per_second: float
    endpoint_per_second: float = 25.0
    left_to_others: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.left_to_others < 1:
            raise ValueError("left_to_others must be at least 0 and below 1")
        if min(self.account_per_second, self.endpoint_per_second) <= 0:
            raise ValueError("rates must be above 0")

    @classmethod
    def documented(cls, mode: Literal["test", "live"], *, left_to_others: float = 0.1) -> "Limits":
        """What Stripe documents for a key of this mode."""
        account = 100.0 if mode == "live" else 25.0
        return cls(account_per_second=account, left_to_others=left_to_others)

    @classmethod
    def none(cls) -> "Limits":
        """No limit at all: for a stand-in on this machine."""
        return cls(math.inf, math.inf, left_to_others=0)

    def rate(self, scope: Scope) -> float:
        """Requests a second that are ours, before headroom."""
        full = self.account_per_second if scope == "account" else self.endpoint_per_second
        return full * (1 - self.left_to_others)

    def lower_bound_seconds(self, calls: Mapping[str, int]) -> float:
        """The least time that so many calls of each endpoint can take."""
        slowest = max(calls.values(), default=0) / self.rate("endpoint")
        return max(slowest, sum(calls.values()) / self.rate("account"))


class _Bucket:
    """Requests at an even pace (generic cell rate algorithm), with a rate that can drop."""

    def __init__(self, rate: float) -> None:
        self._full = rate
        self._reduced = rate
        self._reduced_at = -math.inf
        self._next = -math.inf

    def rate(self, now: float) -> float:
        """Requests a second at this moment."""
        if self._reduced == self._full:
            return self._full
        recovered = self._full * RECOVERY_PER_SECOND * (now - self._reduced_at)
        return min(self._full, self._reduced + recovered)

    def wait(self, now: float) -> float:
        """Seconds until a place is free; 0 if there is one."""
        if math.isinf(self._full):
            return 0.0
        return max(0.0, self._next - LATENESS_SECONDS - now)

    def take(self, now: float) -> None:
        """Use a place."""
        self._next = max(self._next, now) + 1 / self.rate(now)

    def halve(self, now: float) -> bool:
        """Go half as fast from now on. False if that has only just been done."""
        if math.isinf(self._full) or now - self._reduced_at < SETTLING_SECONDS:
            return False
        self._reduced = max(SLOWEST_PER_SECOND, self.rate(now) / 2)
        self._reduced_at = now
        self._next = max(self._next, now + 1 / self._reduced)
        return True


class Pace:
    """The arithmetic of the limiter: told the time, never waiting. Not safe between threads."""

    def __init__(self, limits: Limits) -> None:
        self._endpoint_rate = limits.rate("endpoint") * HEADROOM
        self._account = _Bucket(limits.rate("account") * HEADROOM)
        self._endpoints: dict[str, _Bucket] = {}

    def try_take(self, endpoint: str, now: float) -> float:
        """Take a place in both buckets and return 0, or return the seconds to wait first.

        Nothing is taken unless both have a place, so that a slow endpoint keeps no place of
        the account from the others.
        """
        bucket = self._bucket(endpoint)
        wait = max(self._account.wait(now), bucket.wait(now))
        if wait <= 0:
            self._account.take(now)
            bucket.take(now)
        return wait

    def slow_down(self, scope: Scope, endpoint: str, now: float) -> bool:
        """Halve the named bucket. False if that has only just been done."""
        bucket = self._account if scope == "account" else self._bucket(endpoint)
        return bucket.halve(now)

    def rate(self, scope: Scope, endpoint: str, now: float) -> float:
        """Requests a second at this moment."""
        bucket = self._account if scope == "account" else self._bucket(endpoint)
        return bucket.rate(now)

    def _bucket(self, endpoint: str) -> _Bucket:
        if endpoint not in self._endpoints:
            self._endpoints[endpoint] = _Bucket(self._endpoint_rate)
        return self._endpoints[endpoint]


@dataclass(frozen=True, slots=True)
class RateReport:
    """What was called and how fast, against the best that the limits allow."""

    calls: int
    by_endpoint: Mapping[str, int]
    elapsed_seconds: float
    """From the first place taken to the last."""
    lower_bound_seconds: float
    slowed_down: int
    """How often a 429 made us halve a rate."""

    @property
    def per_second(self) -> float:
        """The rate reached; 0 when fewer than two calls were made."""
        return (self.calls - 1) / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0

    @property
    def share_of_bound(self) -> float:
        """How near to the least possible time: 1 is perfect."""
        if self.elapsed_seconds <= 0:
            return 1.0
        return min(1.0, self.lower_bound_seconds / self.elapsed_seconds)


class Limiter:
    """Hands out places to threads, at the allowed pace."""

    def __init__(
        self, limits: Limits, *, clock: Callable[[], float], pause: Callable[[float], None]
    ) -> None:
        self.limits = limits
        self._pace = Pace(limits)
        self._clock = clock
        self._pause = pause
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._first: float | None = None
        self._last = 0.0
        self._slowed = 0

    def take(self, endpoint: str) -> None:
        """Wait for a place and take it."""
        while True:
            with self._lock:
                now = self._clock()
                wait = self._pace.try_take(endpoint, now)
                if wait <= 0:
                    self._calls[endpoint] += 1
                    self._first = now if self._first is None else self._first
                    self._last = now
                    return
            self._pause(wait)

    def slow_down(self, scope: Scope, endpoint: str) -> None:
        """Stripe said that this bucket was too fast."""
        with self._lock:
            self._slowed += self._pace.slow_down(scope, endpoint, self._clock())

    def report(self) -> RateReport:
        """What was done so far."""
        with self._lock:
            calls = dict(self._calls)
            elapsed = 0.0 if self._first is None else self._last - self._first
            return RateReport(
                calls=sum(calls.values()),
                by_endpoint=calls,
                elapsed_seconds=elapsed,
                lower_bound_seconds=self.limits.lower_bound_seconds(calls),
                slowed_down=self._slowed,
            )
