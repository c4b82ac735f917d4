"""The one way in which requests go to Stripe: paced, counted, retried within bounds, judged."""

import random
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

import stripe

from coupon_pipeline.domain.diagnosis import skew_of
from coupon_pipeline.stripe_api.errors import StripeRefused, StripeUnavailable, StripeWrongMode
from coupon_pipeline.stripe_api.limits import Limiter, Limits, RateReport
from coupon_pipeline.stripe_api.messages import Answer, Request, encodable, parse_body
from coupon_pipeline.stripe_api.retries import Retries, Verdict, unreadable_reply, verdict_on
from coupon_pipeline.stripe_api.transport import (
    STRIPE_API,
    Clock,
    Pause,
    Secret,
    Timeouts,
    check_base_url,
    is_loopback,
    is_restricted,
    mode_of,
    new_client,
    new_session,
)
from coupon_pipeline.stripe_api.workers import Crew, Job, Outcome, run_all

T = TypeVar("T")

REFUSALS_BELIEVED = 3
"""So many refusals of one endpoint in a row, and it is not asked again: a key's permissions
are for kinds of objects, so that the next object would be refused like the last."""


@dataclass(frozen=True, slots=True)
class CallCounts:
    """Requests that left this machine, repeated attempts included."""

    reads: int = 0
    writes: int = 0
    retries: int = 0
    """How many of them were repeated attempts."""


class StripeConnection:
    """Sends requests to one Stripe account, from any thread.

    Nothing is opened before the first request. Limits default to those documented for the
    key's mode; a stand-in on this machine has none. There are as many workers as it takes to
    fill the limits, unless a number is given.
    """

    def __init__(
        self,
        api_key: Secret,
        *,
        base_url: str = STRIPE_API,
        account: str | None = None,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        retries: Retries | None = None,
        workers: int | None = None,
        pause: Pause = time.sleep,
        clock: Clock = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._mode = mode_of(api_key)
        self._base_url = check_base_url(base_url)
        self._api_key = api_key
        self._account = account
        self._timeouts = timeouts or Timeouts()
        self._retries = retries or Retries()
        self._pause = pause
        self._clock = clock
        self._jitter = jitter
        if limits is None:
            limits = Limits.none() if is_loopback(base_url) else Limits.documented(self._mode)
        self._limiter = Limiter(limits, clock=clock, pause=pause)
        self._workers = workers or limits.workers
        self._session = new_session(self._base_url, 2 * self._workers)  # some read while some write
        self._client: stripe.StripeClient | None = None
        self._lock = threading.Lock()
        self._counts = CallCounts()
        self._clock_skew: timedelta | None = None
        self._refusals: dict[str, tuple[StripeRefused, ...]] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._base_url!r}, mode={self._mode!r})"

    def key_mode(self) -> Literal["test", "live"]:
        """Which money the key moves."""
        return self._mode

    def key_is_restricted(self) -> bool:
        """Whether the key may do only what somebody ticked."""
        return is_restricted(self._api_key)

    @property
    def calls(self) -> CallCounts:
        """What was sent so far."""
        with self._lock:
            return self._counts

    @property
    def clock_skew(self) -> timedelta | None:
        """How far Stripe's clock is ahead of ours, by its last answer that told the time."""
        with self._lock:
            return self._clock_skew

    @property
    def limits(self) -> Limits:
        """What is kept to."""
        return self._limiter.limits

    def rate_report(self) -> RateReport:
        """How fast we were, against the best that the limits allow."""
        return self._limiter.report()

    def close(self) -> None:
        """Let the pooled connections go. A later request opens them again."""
        self._session.close()

    def run_all(
        self, jobs: Sequence[Job[T]], *, batch_size: int = 200, batch_seconds: float = 1.0
    ) -> Generator[tuple[Outcome[T], ...], None, None]:
        """Run jobs on this connection's bounded set of workers: see `workers.run_all`."""
        return run_all(
            jobs, workers=self._workers, batch_size=batch_size, batch_seconds=batch_seconds
        )

    def crew(self) -> Crew[T]:
        """This connection's bounded set of workers, for jobs that come one after the other."""
        return Crew(self._workers)

    def send(self, request: Request) -> Answer:
        """Send one request, again where that can help, and give its answer.

        Raises:
            StripeEdgeError: of the class that says what to do about it.
        """
        params = encodable(request.params)
        started = self._clock()
        may_have_happened = False
        attempt = 0
        while True:
            attempt += 1
            answer = self._attempt(request, params, again=attempt > 1)
            if isinstance(answer, Answer):
                return answer
            may_have_happened = may_have_happened or (request.endpoint.writes and answer.executed)
            if answer.slow_down is not None:
                self._limiter.slow_down(answer.slow_down, request.endpoint.path)
            pause = self._retries.pause(attempt, self._jitter(), answer.at_least)
            in_time = self._clock() - started + pause <= self._retries.total_seconds
            if not (answer.retry and in_time and attempt < self._retries.attempts):
                if isinstance(answer.error, StripeUnavailable):
                    answer.error.may_have_happened = may_have_happened
                raise answer.error
            self._pause(pause)

    def _attempt(
        self, request: Request, params: dict[str, object], *, again: bool
    ) -> Answer | Verdict:
        path = request.path
        if request.idempotency_key is not None:
            params = {**params, "idempotency_key": request.idempotency_key}
        label = request.endpoint.label
        refusals = self._refusals.get(label, ())
        if len(refusals) >= REFUSALS_BELIEVED:
            return _refused_again(refusals[-1])
        self._limiter.take(request.endpoint.path)
        self._count(writes=request.endpoint.writes, again=again)
        sent = datetime.now(UTC)
        try:
            reply = self._sdk().raw_request(request.endpoint.method, path, **params)
        except stripe.StripeError as error:
            self._compare_clocks(error.headers or {}, sent)
            verdict = verdict_on(error)
            if isinstance(verdict.error, StripeRefused):
                self._refusals[label] = (*refusals, verdict.error)
            return verdict
        except UnicodeDecodeError:  # the SDK reads the body for its log before anything else
            return unreadable_reply()
        self._refusals.pop(label, None)
        self._compare_clocks(reply.headers, sent)
        try:
            body = parse_body(reply.body)
        except ValueError:
            return unreadable_reply()
        self._check_mode(body.get("livemode"), reply.request_id)
        replayed = reply.headers.get("idempotent-replayed") == "true"
        return Answer(body=body, request_id=reply.request_id, replayed=replayed)

    def _check_mode(self, livemode: object, request_id: str | None) -> None:
        if isinstance(livemode, bool) and livemode != (self._mode == "live"):
            raise StripeWrongMode(
                f"A {self._mode} key was given an object of {'live' if livemode else 'test'} mode.",
                request_id=request_id,
            )

    def _compare_clocks(self, headers: Mapping[str, str], sent: datetime) -> None:
        date = next((value for name, value in headers.items() if name.lower() == "date"), None)
        skew = skew_of(date, sent, datetime.now(UTC))
        if skew is not None:
            with self._lock:
                self._clock_skew = skew

    def _count(self, *, writes: bool, again: bool) -> None:
        with self._lock:
            counts = self._counts
            self._counts = CallCounts(
                reads=counts.reads + (not writes),
                writes=counts.writes + writes,
                retries=counts.retries + again,
            )

    def _sdk(self) -> stripe.StripeClient:
        with self._lock:
            if self._client is None:
                self._client = new_client(
                    self._api_key,
                    base_url=self._base_url,
                    account=self._account,
                    timeouts=self._timeouts,
                    session=self._session,
                )
            return self._client


def _refused_again(before: StripeRefused) -> Verdict:
    again = StripeRefused(
        before.message, permission=before.permission, request_id=before.request_id
    )
    return Verdict(retry=False, error=again, executed=False)
