"""The limiter's arithmetic, told the time: nothing here waits."""

import math
import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.stripe_api.limits import (
    HEADROOM,
    SLOWED_TO,
    Limiter,
    Limits,
    Pace,
)

READ = "/v1/coupons/{id}"
WRITE = "/v1/coupons"


class StandingClock:
    """Moves only when somebody pauses, and then by a little more, as real clocks do."""

    def __init__(self, late_by: float = 0.0) -> None:
        self.now = 1000.0
        self._late_by = late_by
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds + self._late_by


def sent_at(limits: Limits, endpoints: Iterator[str], count: int) -> list[tuple[float, str]]:
    """When requests leave if each waits for its place and takes no time itself."""
    clock = StandingClock()
    limiter = Limiter(limits, clock=clock, pause=clock.pause)
    moments = []
    for _ in range(count):
        endpoint = next(endpoints)
        limiter.take(endpoint)
        moments.append((clock.now, endpoint))
    return moments


def most_in_a_second(moments: list[float]) -> int:
    """The greatest number of requests in any second, wherever it begins."""
    return max(sum(1 for m in moments if start <= m < start + 1) for start in moments)


@given(
    account=st.integers(5, 60),
    endpoint=st.integers(5, 60),
    others=st.sampled_from([0.0, 0.1, 0.5]),
    chosen=st.lists(st.sampled_from([READ, WRITE]), min_size=100, max_size=100),
)
def test_no_second_holds_more_requests_than_we_may_send(
    account: int, endpoint: int, others: float, chosen: list[str]
) -> None:
    """Wherever a second is cut, both limits hold, less the share that is left to others."""
    limits = Limits(account, endpoint, left_to_others=others)
    moments = sent_at(limits, iter(chosen), len(chosen))

    assert most_in_a_second([when for when, _ in moments]) <= math.ceil(account * (1 - others))
    for name in {READ, WRITE} & set(chosen):
        of_one = [when for when, where in moments if where == name]
        assert most_in_a_second(of_one) <= math.ceil(endpoint * (1 - others))


def test_the_allowed_rate_is_filled() -> None:
    """Being slow costs a night; the pace is within a twentieth of what is allowed."""
    limits = Limits(100, 25, left_to_others=0)
    moments = sent_at(limits, iter([READ] * 500), 500)

    elapsed = moments[-1][0] - moments[0][0]

    assert 499 / elapsed >= 25 * 0.95


def test_waking_up_late_is_made_up_for() -> None:
    """A thread never wakes exactly when it asked to; the average must not suffer."""
    limits = Limits(100, 25, left_to_others=0)
    clock = StandingClock(late_by=0.005)
    limiter = Limiter(limits, clock=clock, pause=clock.pause)
    for _ in range(500):
        limiter.take(READ)

    report = limiter.report()

    assert report.per_second >= 25 * HEADROOM * 0.99
    assert report.share_of_bound >= 0.95


@given(
    stalls=st.lists(st.floats(0, 0.4), min_size=60, max_size=90),
    arrival=st.lists(st.floats(0, 0.03), min_size=200, max_size=200),
)
def test_a_machine_that_stalls_sends_no_more_than_fits_into_any_second(
    stalls: list[float], arrival: list[float]
) -> None:
    """Places missed in a stall are used after it, even where requests travel 30 ms apart."""
    clock = StandingClock()
    limiter = Limiter(Limits(100, 25, left_to_others=0), clock=clock, pause=clock.pause)
    moments = []
    for stall, travel in zip(stalls, arrival, strict=False):
        clock.pause(stall if stall > 0.3 else 0.0)
        limiter.take(READ)
        moments.append(clock.now + travel)

    assert most_in_a_second(moments) <= 25


def test_a_short_stall_costs_nothing() -> None:
    """A place that was missed because the machine was busy is used a moment later."""
    clock = StandingClock()
    limiter = Limiter(Limits(100, 25, left_to_others=0), clock=clock, pause=clock.pause)
    for number in range(500):
        clock.pause(0.2 if number % 20 == 0 else 0.0)
        limiter.take(READ)

    assert limiter.report().share_of_bound >= 0.95


def test_a_slow_endpoint_keeps_no_place_of_the_account_from_another() -> None:
    """Reads must go on while writes wait for their own limit."""
    pace = Pace(Limits(100, 1, left_to_others=0))
    assert pace.try_take(WRITE, 0.0) == 0

    waits = [pace.try_take(WRITE, 0.02) for _ in range(50)]

    assert min(waits) > 0.4
    assert pace.try_take(READ, 0.02) == 0


def test_a_refusal_slows_the_bucket_that_stripe_names() -> None:
    """The other endpoints have done nothing wrong."""
    pace = Pace(Limits(100, 25, left_to_others=0))

    assert pace.slow_down("endpoint", WRITE, 10.0)

    assert pace.rate("endpoint", WRITE, 10.0) == pytest.approx(25 * HEADROOM * SLOWED_TO)
    assert pace.rate("endpoint", READ, 10.0) == pytest.approx(25 * HEADROOM)
    assert pace.rate("account", WRITE, 10.0) == pytest.approx(100 * HEADROOM)


def test_refusals_that_go_on_bring_a_rate_down_to_what_others_leave() -> None:
    """A company whose own traffic takes most of the limit is not pushed aside."""
    pace = Pace(Limits(100, 25, left_to_others=0))
    for second in range(10):
        pace.slow_down("endpoint", WRITE, 10.0 + second)

    assert pace.rate("endpoint", WRITE, 19.0) < 25 / 4


def test_refusals_that_were_on_their_way_together_count_once() -> None:
    """Sixteen workers refused at once must not bring the rate down sixteen times."""
    pace = Pace(Limits(100, 25, left_to_others=0))

    slowed = [pace.slow_down("account", READ, 10.0 + late / 100) for late in range(16)]

    assert slowed.count(True) == 1
    assert pace.slow_down("account", READ, 11.5)


def test_a_lowered_rate_comes_back_slowly_and_no_further_than_it_was() -> None:
    """At once would be refused at once."""
    pace = Pace(Limits(100, 25, left_to_others=0))
    pace.slow_down("account", READ, 0.0)

    rates = [pace.rate("account", READ, float(second)) for second in range(0, 20, 5)]

    assert all(before <= after for before, after in pairwise(rates))
    assert rates[1] == pytest.approx(100 * HEADROOM * 0.9)
    assert rates[-1] == 100 * HEADROOM


def test_a_rate_never_falls_to_nothing() -> None:
    """However often Stripe refuses, some request asks whether it is over."""
    pace = Pace(Limits(25, 25))
    for second in range(0, 40, 2):
        pace.slow_down("account", READ, float(second))

    assert pace.rate("account", READ, 38.0) >= 0.5


@pytest.mark.parametrize(("mode", "account"), [("live", 100), ("test", 25)])
def test_a_key_starts_with_the_documented_limits_of_its_mode(mode: str, account: int) -> None:
    """They are at https://docs.stripe.com/rate-limits."""
    limits = Limits.documented("live" if mode == "live" else "test", left_to_others=0)

    assert limits.rate("account") == account
    assert limits.rate("endpoint") == 25


def test_without_limits_nothing_waits() -> None:
    """A stand-in on this machine has no traffic of others to protect."""
    clock = StandingClock()
    limiter = Limiter(Limits.none(), clock=clock, pause=clock.pause)
    for _ in range(1000):
        limiter.take(READ)

    assert clock.now == 1000.0
    assert limiter.report().calls == 1000
    assert limiter.report().share_of_bound == 1


def test_the_bound_is_the_tighter_of_account_and_busiest_endpoint() -> None:
    """The report says how near the run came to what cannot be beaten."""
    limits = Limits(100, 25, left_to_others=0)

    assert limits.lower_bound_seconds({READ: 250}) == 10
    assert limits.lower_bound_seconds({READ: 100, WRITE: 100}) == 4
    assert limits.lower_bound_seconds({str(n): 25 for n in range(8)}) == 2
    assert limits.lower_bound_seconds({}) == 0


@pytest.mark.parametrize("others", [-0.1, 1.0])
def test_a_share_that_leaves_nothing_or_less_is_refused(others: float) -> None:
    """Leaving everything to others would wait for ever."""
    with pytest.raises(ValueError, match="left_to_others"):
        Limits(100, left_to_others=others)


def test_threads_share_one_pace() -> None:
    """The limit is the account's, however many workers there are."""
    clock = StandingClock()
    limiter = Limiter(Limits(100, 25, left_to_others=0), clock=clock, pause=clock.pause)

    def take_many() -> None:
        for _ in range(25):
            limiter.take(READ)

    threads = [threading.Thread(target=take_many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    report = limiter.report()

    assert report.calls == 200
    assert report.by_endpoint == {READ: 200}
    assert report.per_second <= 25


@given(account=st.integers(1, 200), endpoint=st.integers(1, 50), count=st.integers(50, 120))
def test_whatever_the_limits_are_they_are_filled(account: int, endpoint: int, count: int) -> None:
    """What was not sent in time is never made up for: within 5 % of the bound, from the second."""
    limits = Limits(account, endpoint, left_to_others=0)
    ends = [READ, WRITE]
    moments = sent_at(limits, (ends[n % 2] for n in range(count)), count)
    calls = {READ: (count - 1) // 2, WRITE: (count - 1) - (count - 1) // 2}

    elapsed = moments[-1][0] - moments[0][0]

    assert limits.lower_bound_seconds(calls) >= elapsed * 0.95


@pytest.mark.parametrize(("rate", "needed"), [(100, 30), (25, 8)])
def test_there_are_workers_enough_for_answers_that_take_300_ms(rate: int, needed: int) -> None:
    """Fewer would leave places of the rate empty."""
    assert Limits(rate, left_to_others=0).workers >= needed
    assert Limits.none().workers < 16
