"""Many requests at once, from a bounded set of threads, one failure never stopping the rest."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from coupon_pipeline.stripe_api.errors import (
    StripeEdgeError,
    StripeLoginFailed,
    StripeMisconfigured,
    StripeObjectBusy,
    StripeUnavailable,
    StripeWrongMode,
)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

FAILURES_THAT_MEAN_AN_OUTAGE = 3
"""So many requests in a row that used up their retries, and nothing that worked between."""


@dataclass(frozen=True, slots=True)
class Job(Generic[T_co]):
    """Work that calls Stripe. Jobs of one `serial_key` run one after another, in their order.

    Stripe locks a customer, subscription or schedule while it writes and refuses others
    meanwhile (https://docs.stripe.com/rate-limits), so they are kept from meeting.
    """

    name: str
    work: Callable[[], T_co]
    serial_key: str | None = None
    endpoint: str = ""
    """What its first request counts for. Jobs that wait for one endpoint keep no thread from
    those of another."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T_co]):
    """How a job ended: with a result, or with an error that is its own."""

    job: Job[T_co]
    result: T_co | None = None
    error: StripeEdgeError | None = None


def run_all(
    jobs: Sequence[Job[T]],
    *,
    workers: int,
    batch_size: int = 200,
    batch_seconds: float = 1.0,
) -> Generator[tuple[Outcome[T], ...], None, None]:
    """Run the jobs and give their outcomes in batches, as they come: see `Crew`.

    Raises:
        StripeUnavailable: Stripe is down.
        StripeLoginFailed: the key is refused.
        StripeWrongMode: objects of the other mode came back.
    """
    with Crew[T](workers) as crew:
        crew.add(jobs)
        while batch := crew.next_batch(size=batch_size, seconds=batch_seconds):
            yield batch


class Crew(Generic[T]):
    """A bounded set of threads that work off jobs; more can be added while they do.

    Each endpoint has its own line, and a thread that is free goes to the line with the fewest
    threads: where one endpoint's rate is used up, the others are still filled.

    When Stripe is down, or the key is refused, no further job is started; those on their way
    are finished and given first. Jobs that were not started are not given.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._news = threading.Condition(self._lock)
        self._lines: dict[str, deque[deque[Job[T]]]] = {}
        """Lanes that wait, by endpoint. A lane holds jobs that must not meet."""
        self._lanes: dict[str, deque[Job[T]]] = {}
        """Lanes by serial key, those in hand included."""
        self._in_hand: Counter[str] = Counter()
        """Lanes that a thread works on, by endpoint."""
        self._finished: deque[Outcome[T]] = deque()
        self._failure: BaseException | None = None
        self._failures_in_a_row = 0
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Start nothing more, and wait for what is on its way."""
        with self._lock:
            self._stop()
        for thread in self._threads:
            thread.join()

    @property
    def has_failed(self) -> bool:
        """Whether no further job is started, because all would fail."""
        with self._lock:
            return self._failure is not None

    def add(self, jobs: Iterable[Job[T]]) -> None:
        """Queue jobs behind those that are there."""
        with self._lock:
            for job in jobs:
                lane = None if job.serial_key is None else self._lanes.get(job.serial_key)
                if lane is not None:
                    lane.append(job)
                    continue
                lane = deque([job])
                if job.serial_key is not None:
                    self._lanes[job.serial_key] = lane
                self._lines.setdefault(job.endpoint, deque()).append(lane)
            lanes = sum(map(len, self._lines.values())) + self._in_hand.total()
            self._work.notify_all()
        for number in range(len(self._threads), min(self._workers, lanes)):
            thread = threading.Thread(target=self._run, name=f"stripe-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def next_batch(self, *, size: int = 200, seconds: float = 1.0) -> tuple[Outcome[T], ...]:
        """Outcomes not given so far; waits for the first. Empty when there is nothing to wait for.

        A batch is given when it is full, `seconds` after its first outcome, or when all is done,
        so that what happened can be recorded while the rest is on its way.

        Raises:
            StripeUnavailable: Stripe is down; all outcomes were given before.
            StripeLoginFailed: the key is refused.
            StripeWrongMode: objects of the other mode came back.
        """
        with self._lock:
            while not self._finished and not self._is_idle():
                self._news.wait()
            due = time.monotonic() + seconds
            while len(self._finished) < size and not self._is_idle():
                left = due - time.monotonic()
                if left <= 0:
                    break
                self._news.wait(left)
            number = min(size, len(self._finished))
            batch = tuple(self._finished.popleft() for _ in range(number))
            if not batch and self._failure is not None:
                raise self._failure
            return batch

    def _is_idle(self) -> bool:
        waiting = not self._stopped and any(self._lines.values())
        return not waiting and not self._in_hand.total()

    def _run(self) -> None:
        """What each thread does: take a lane, do its first job, put the lane back."""
        while (lane := self._next_lane()) is not None:
            job = lane.popleft()
            outcome = None
            try:
                outcome = _done(job)
            except BaseException as error:  # noqa: BLE001 - a bug in a job ends the run in the caller's thread
                with self._lock:
                    self._fail(error)
            with self._lock:
                self._put_back(lane, job, outcome)

    def _next_lane(self) -> deque[Job[T]] | None:
        with self._lock:
            while not any(self._lines.values()) and not self._stopped:
                self._work.wait()
            if self._stopped:
                return None
            endpoint = min(
                (name for name, line in self._lines.items() if line),
                key=lambda name: self._in_hand[name],
            )
            self._in_hand[endpoint] += 1
            return self._lines[endpoint].popleft()

    def _put_back(self, lane: deque[Job[T]], job: Job[T], outcome: Outcome[T] | None) -> None:
        self._in_hand[job.endpoint] -= 1
        if lane:
            self._lines.setdefault(lane[0].endpoint, deque()).append(lane)
            self._work.notify()
        elif job.serial_key is not None:
            del self._lanes[job.serial_key]
        if outcome is not None:
            self._finished.append(outcome)
            self._judge(outcome.error)
        self._news.notify_all()

    def _judge(self, error: StripeEdgeError | None) -> None:
        """Is it this job alone, or would every further one fail the same way?"""
        if isinstance(error, (StripeLoginFailed, StripeWrongMode, StripeMisconfigured)):
            self._fail(error)
            return
        outage = isinstance(error, StripeUnavailable) and not isinstance(error, StripeObjectBusy)
        self._failures_in_a_row = self._failures_in_a_row + 1 if outage else 0
        if error is not None and self._failures_in_a_row >= FAILURES_THAT_MEAN_AN_OUTAGE:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._stop()

    def _stop(self) -> None:
        self._stopped = True
        self._work.notify_all()
        self._news.notify_all()


def _done(job: Job[T]) -> Outcome[T]:
    try:
        return Outcome(job, result=job.work())
    except StripeEdgeError as error:
        return Outcome(job, error=error)
