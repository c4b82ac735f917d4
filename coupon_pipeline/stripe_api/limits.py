"""How fast we may call: one bucket for the account and one for each endpoint, which is a path.

The documented limits are 100 requests a second for a live account, 25 for a test account or
sandbox, and 25 for each endpoint: https://docs.stripe.com/rate-limits
A part of them is left to the company's own traffic. When a 429 comes anyway, the bucket that
Stripe names goes slower and recovers slowly.
"""

import math
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Scope: TypeAlias = Literal["account", "endpoint"]

HEADROOM = 0.96
"""Requests bunch up on their way, so that exactly the limit would sometimes be too much. What
Stripe takes in a second leaves in a second and a twenty-fifth."""
CATCH_UP_SECONDS = 0.25
"""So much of a delay is made up for: threads never wake in time, and the machine has other work."""
CATCH_UP_SPEED = 4.0
"""Times the usual pace: what is made up for leaves quickly, but not all at once."""
SLOWED_TO = 0.8
"""What a refusal leaves of a rate. A single one is mostly a matter of bunching; where others use
the limit up, each further second takes as much again."""
RECOVERY_PER_SECOND = 0.02
"""Part of the full rate that comes back each second after a refusal."""
SETTLING_SECONDS = 1.0
"""Refusals of requests that were on their way together count once."""
SLOWEST_PER_SECOND = 0.5
LONGEST_USUAL_ANSWER_SECONDS = 0.5
"""So many seconds' worth of requests may be on their way at once; with fewer, answers that take
this long would keep us below the allowed rate."""
WORKERS_WITHOUT_LIMITS = 8


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

    @property
    def workers(self) -> int:
        """How many requests have to be on their way at once to fill the rate."""
        rate = self.rate("account")
        if math.isinf(rate):
            return WORKERS_WITHOUT_LIMITS
        return max(WORKERS_WITHOUT_LIMITS, math.ceil(rate * LONGEST_USUAL_ANSWER_SECONDS))

    def lower_bound_seconds(self, calls: Mapping[str, int]) -> float:
        """The least time that so many calls of each endpoint can take."""
        slowest = max(calls.values(), default=0) / self.rate("endpoint")
        return max(slowest, sum(calls.values()) / self.rate("account"))


class _Bucket:
    """Requests at an even pace (generic cell rate algorithm), with a rate that can drop.

    What was late is made up for, but never so that one second holds more than the limit.
    """

    def __init__(self, limit: float) -> None:
        self._full = limit * HEADROOM
        self._reduced = self._full
        self._reduced_at = -math.inf
        self._next = -math.inf
        window = 0 if math.isinf(limit) else math.ceil(limit)
        self._taken: deque[float] = deque(maxlen=window)
        """When the last places were taken, as many as a second may hold."""

    def rate(self, now: float) -> float:
        """Requests a second at this moment."""
        if self._reduced == self._full:
            return self._full
        recovered = self._full * RECOVERY_PER_SECOND * (now - self._reduced_at)
        return min(self._full, self._reduced + recovered)

    def wait(self, now: float) -> float:
        """Seconds until a place is free; 0 if there is one."""
        if math.isinf(self._full) or not self._taken:
            return 0.0
        rate = self.rate(now)
        earliest = max(self._next - CATCH_UP_SECONDS, self._taken[-1] + 1 / (CATCH_UP_SPEED * rate))
        if len(self._taken) == self._taken.maxlen:
            earliest = max(earliest, self._taken[0] + len(self._taken) / rate)
        return max(0.0, earliest - now)

    def take(self, now: float) -> None:
        """Use a place."""
        self._next = max(self._next, now) + 1 / self.rate(now)
        self._taken.append(now)

    def slow_down(self, now: float) -> bool:
        """Go slower from now on. False if that has only just been done."""
        if math.isinf(self._full) or now - self._reduced_at < SETTLING_SECONDS:
            return False
        self._reduced = max(SLOWEST_PER_SECOND, self.rate(now) * SLOWED_TO)
        self._reduced_at = now
        self._next = max(self._next, now + 1 / self._reduced + CATCH_UP_SECONDS)
        return True


class Pace:
    """The arithmetic of the limiter: told the time, never waiting. Not safe between threads."""

    def __init__(self, limits: Limits) -> None:
        self._endpoint_limit = limits.rate("endpoint")
        self._account = _Bucket(limits.rate("account"))
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
        """Slow the named bucket down. False if that has only just been done."""
        bucket = self._account if scope == "account" else self._bucket(endpoint)
        return bucket.slow_down(now)

    def rate(self, scope: Scope, endpoint: str, now: float) -> float:
        """Requests a second at this moment."""
        bucket = self._account if scope == "account" else self._bucket(endpoint)
        return bucket.rate(now)

    def _bucket(self, endpoint: str) -> _Bucket:
        if endpoint not in self._endpoints:
            self._endpoints[endpoint] = _Bucket(self._endpoint_limit)
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
    """How often a 429 made us lower a rate."""

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
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        """Of the threads that wait for an endpoint, one looks at the clock and the others sleep."""
        self._calls: Counter[str] = Counter()
        self._first: float | None = None
        self._last = 0.0
        self._slowed = 0

    def take(self, endpoint: str) -> None:
        """Wait for a place and take it."""
        with self._lock:
            turn = self._turns[endpoint]
        with turn:
            while (wait := self._try_take(endpoint)) > 0:
                self._pause(wait)

    def _try_take(self, endpoint: str) -> float:
        with self._lock:
            now = self._clock()
            wait = self._pace.try_take(endpoint, now)
            if wait <= 0:
                self._calls[endpoint] += 1
                self._first = now if self._first is None else self._first
                self._last = now
            return wait

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
