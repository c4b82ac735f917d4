"""Many requests at once, from a bounded set of threads, one failure never stopping the rest."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from coupon_pipeline.stripe_api.errors import (
    StripeEdgeError,
    StripeLoginFailed,
    StripeMisconfigured,
    StripeObjectBusy,
    StripeUnavailable,
    StripeWrongMode,
)

T = TypeVar("T")

FAILURES_THAT_MEAN_AN_OUTAGE = 3
"""So many requests in a row that used up their retries, and nothing that worked between."""


@dataclass(frozen=True, slots=True)
class Job(Generic[T]):
    """Work that calls Stripe. Jobs of one `serial_key` run one after another, in their order.

    Stripe locks a customer, subscription or schedule while it writes and refuses others
    meanwhile (https://docs.stripe.com/rate-limits), so they are kept from meeting.
    """

    name: str
    work: Callable[[], T]
    serial_key: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """How a job ended: with a result, or with an error that is its own."""

    job: Job[T]
    result: T | None = None
    error: StripeEdgeError | None = None


def run_all(
    jobs: Sequence[Job[T]],
    *,
    workers: int,
    batch_size: int = 200,
    batch_seconds: float = 1.0,
) -> Generator[tuple[Outcome[T], ...], None, None]:
    """Run the jobs and give their outcomes in batches, as they come.

    A batch is given when it is full, when its first outcome is `batch_seconds` old, or when
    all is done, so that what happened can be recorded while the rest is on its way.

    When Stripe is down, or the key is refused, no further job is started; those on their way
    are finished and given first. Jobs that were not started are not given.

    Raises:
        StripeUnavailable: Stripe is down.
        StripeLoginFailed: the key is refused.
        StripeWrongMode: objects of the other mode came back.
    """
    crew: _Crew[T] = _Crew(jobs)
    threads = [
        threading.Thread(target=crew.work, name=f"stripe-{number}", daemon=True)
        for number in range(min(workers, len(jobs)))
    ]
    for thread in threads:
        thread.start()
    try:
        yield from _batches(crew.finished, len(threads), batch_size, batch_seconds)
    finally:
        crew.stop()
        for thread in threads:
            thread.join()
    if crew.failure is not None:
        raise crew.failure


class _Crew(Generic[T]):
    """The threads' shared state: lanes of jobs to do, outcomes done, and why to stop."""

    def __init__(self, jobs: Sequence[Job[T]]) -> None:
        self.finished: queue.SimpleQueue[Outcome[T] | None] = queue.SimpleQueue()
        """Outcomes; `None` once for each thread that ends."""
        self.failure: BaseException | None = None
        self._changed = threading.Condition()
        self._lanes: deque[deque[Job[T]]] = deque()
        self._in_flight = 0
        self._failures_in_a_row = 0
        self._stopped = False
        by_key: dict[str, deque[Job[T]]] = {}
        for job in jobs:
            if job.serial_key is None:
                self._lanes.append(deque([job]))
            elif job.serial_key in by_key:
                by_key[job.serial_key].append(job)
            else:
                by_key[job.serial_key] = deque([job])
                self._lanes.append(by_key[job.serial_key])

    def stop(self) -> None:
        """Start nothing more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def work(self) -> None:
        """What each thread does: take a lane, do its first job, put the lane back."""
        try:
            while (lane := self._next_lane()) is not None:
                self._do(lane)
        finally:
            self.finished.put(None)

    def _next_lane(self) -> deque[Job[T]] | None:
        with self._changed:
            while not self._lanes and self._in_flight and not self._stopped:
                self._changed.wait()
            if self._stopped or not self._lanes:
                return None
            self._in_flight += 1
            return self._lanes.popleft()

    def _do(self, lane: deque[Job[T]]) -> None:
        job = lane.popleft()
        try:
            try:
                outcome = Outcome(job, result=job.work())
            except StripeEdgeError as error:
                outcome = Outcome(job, error=error)
            self.finished.put(outcome)
            self._judge(outcome.error)
        except BaseException as error:  # noqa: BLE001 - a bug in a job ends the run in the caller's thread
            self._fail(error)
        finally:
            with self._changed:
                self._in_flight -= 1
                if lane:
                    self._lanes.append(lane)
                self._changed.notify_all()

    def _judge(self, error: StripeEdgeError | None) -> None:
        """Is it this job alone, or would every further one fail the same way?"""
        if isinstance(error, (StripeLoginFailed, StripeWrongMode, StripeMisconfigured)):
            self._fail(error)
            return
        outage = isinstance(error, StripeUnavailable) and not isinstance(error, StripeObjectBusy)
        with self._changed:
            self._failures_in_a_row = self._failures_in_a_row + 1 if outage else 0
            persistent = self._failures_in_a_row >= FAILURES_THAT_MEAN_AN_OUTAGE
        if persistent and error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self.failure = self.failure or error
            self._stopped = True
            self._changed.notify_all()


def _batches(
    finished: "queue.SimpleQueue[Outcome[T] | None]",
    threads: int,
    batch_size: int,
    batch_seconds: float,
) -> Iterator[tuple[Outcome[T], ...]]:
    batch: list[Outcome[T]] = []
    due = 0.0
    while threads:
        try:
            left = max(0.0, due - time.monotonic())
            outcome = finished.get(timeout=left if batch else None)
        except queue.Empty:
            yield tuple(batch)
            batch = []
            continue
        if outcome is None:
            threads -= 1
            continue
        if not batch:
            due = time.monotonic() + batch_seconds
        batch.append(outcome)
        if len(batch) >= batch_size:
            yield tuple(batch)
            batch = []
    if batch:
        yield tuple(batch)
