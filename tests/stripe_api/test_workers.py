"""Many jobs at once: bounded, ordered where they must be, and deaf to one job's failure."""

import threading
from collections.abc import Callable
from itertools import chain

import pytest

from coupon_pipeline.stripe_api.errors import (
    StripeLoginFailed,
    StripeObjectBusy,
    StripeRejected,
    StripeUnavailable,
)
from coupon_pipeline.stripe_api.workers import (
    FAILURES_THAT_MEAN_AN_OUTAGE,
    Crew,
    Job,
    Outcome,
    run_all,
)

PATIENCE = 20


def failing(error: Exception) -> Callable[[], str]:
    """Work that raises."""

    def work() -> str:
        raise error

    return work


def jobs_of(works: list[Callable[[], str]]) -> list[Job[str]]:
    """A job for each work, named by its position."""
    return [Job(str(number), work) for number, work in enumerate(works)]


def collect(jobs: list[Job[str]], workers: int, given: list[Outcome[str]]) -> None:
    """Put the outcomes where they are still seen when it ends with an error."""
    for batch in run_all(jobs, workers=workers):
        given.extend(batch)


def outcomes_until_it_stops(jobs: list[Job[str]], workers: int = 1) -> list[Outcome[str]]:
    """What was given before the error that ended it."""
    given: list[Outcome[str]] = []
    with pytest.raises((StripeLoginFailed, StripeUnavailable)):
        collect(jobs, workers, given)
    return given


def test_every_job_has_one_outcome() -> None:
    """A record without an outcome would stay open in the ledger."""
    jobs = jobs_of([lambda: "done"] * 500)

    outcomes = list(chain.from_iterable(run_all(jobs, workers=8)))

    assert sorted(int(outcome.job.name) for outcome in outcomes) == list(range(500))
    assert {outcome.result for outcome in outcomes} == {"done"}


def test_nothing_to_do_is_done_at_once() -> None:
    """Most runs have no new coupon."""
    assert list(run_all([], workers=8)) == []


def test_a_rejected_record_stops_no_other() -> None:
    """One poisoned record must not keep ten thousand from their discounts."""
    rejected = StripeRejected("No.", reason="coupon_expired")
    works: list[Callable[[], str]] = [lambda: "done"] * 20
    works[7] = failing(rejected)

    outcomes = list(chain.from_iterable(run_all(jobs_of(works), workers=4)))

    assert [outcome.error for outcome in outcomes if outcome.job.name == "7"] == [rejected]
    assert sum(outcome.result == "done" for outcome in outcomes) == 19


def test_jobs_of_one_key_never_meet_and_keep_their_order() -> None:
    """Stripe locks the object and refuses the second; the list of the first would be lost."""
    running: set[str] = set()
    started: dict[str, list[int]] = {"sub_1": [], "sub_2": [], "sub_3": []}
    met: list[str] = []
    guard = threading.Lock()

    def job(key: str, number: int) -> Job[str]:
        def work() -> str:
            with guard:
                if key in running:
                    met.append(key)
                running.add(key)
                started[key].append(number)
            with guard:
                running.discard(key)
            return key

        return Job(f"{key}-{number}", work, serial_key=key)

    jobs = [job(key, number) for number in range(30) for key in started]

    list(run_all(jobs, workers=8))

    assert not met
    assert all(order == list(range(30)) for order in started.values())


def test_jobs_of_different_keys_run_at_once() -> None:
    """At 300 ms a request, one after another would reach three a second."""
    together = threading.Barrier(4)

    def work() -> str:
        together.wait(PATIENCE)
        return "met"

    jobs = [Job(str(number), work, serial_key=str(number)) for number in range(4)]

    outcomes = list(chain.from_iterable(run_all(jobs, workers=4)))

    assert [outcome.result for outcome in outcomes] == ["met"] * 4


def test_no_more_jobs_run_at_once_than_there_are_workers() -> None:
    """Stripe limits how many requests are under way, and so does this machine."""
    running, most = 0, 0
    guard = threading.Lock()

    def work() -> str:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        with guard:
            running -= 1
        return "done"

    list(run_all(jobs_of([work] * 200), workers=3))

    assert most <= 3


def test_a_refused_key_starts_nothing_more() -> None:
    """Ten thousand further refusals help nobody."""
    works: list[Callable[[], str]] = [lambda: "done"] * 50
    works[3] = failing(StripeLoginFailed("Invalid."))

    given = outcomes_until_it_stops(jobs_of(works))

    assert [outcome.job.name for outcome in given] == ["0", "1", "2", "3"]


def test_an_outage_starts_nothing_more_and_keeps_what_was_done() -> None:
    """What was done before is given first, so that the ledger has it."""
    works: list[Callable[[], str]] = [lambda: "done"] * 5
    works += [failing(StripeUnavailable("Down."))] * 50

    given = outcomes_until_it_stops(jobs_of(works))

    assert [outcome.result for outcome in given[:5]] == ["done"] * 5
    assert len(given) == 5 + FAILURES_THAT_MEAN_AN_OUTAGE


def test_jobs_on_their_way_are_finished_before_the_outage_is_told() -> None:
    """Their writes happen; without the outcome, the next run would have to look for them."""
    told = threading.Event()

    def slow() -> str:
        told.wait(PATIENCE)
        return "finished"

    def last_failure() -> str:
        told.set()
        raise StripeLoginFailed("Invalid.")

    given = outcomes_until_it_stops(jobs_of([slow, last_failure]), workers=2)

    assert {outcome.result for outcome in given} == {"finished", None}


@pytest.mark.parametrize(
    "error", [StripeObjectBusy("Locked."), StripeRejected("No.", reason="x")], ids=lambda e: e.code
)
def test_trouble_with_single_objects_is_no_outage(error: Exception) -> None:
    """A hundred locked subscriptions in a row are a hundred records, not a broken Stripe."""
    jobs = jobs_of([failing(error)] * 100)

    outcomes = list(chain.from_iterable(run_all(jobs, workers=4)))

    assert len(outcomes) == 100


def test_a_success_between_failures_shows_that_stripe_is_there() -> None:
    """One record that always makes Stripe fail is not an outage."""
    works: list[Callable[[], str]] = [failing(StripeUnavailable("Failed.")), lambda: "done"] * 20

    outcomes = list(chain.from_iterable(run_all(jobs_of(works), workers=1)))

    assert len(outcomes) == 40


def test_a_bug_in_a_job_is_raised_and_not_swallowed() -> None:
    """A thread that dies in silence would look like work that was done."""
    works: list[Callable[[], str]] = [lambda: "done"] * 20
    works[2] = failing(KeyError("bug"))
    given: list[Outcome[str]] = []

    with pytest.raises(KeyError, match="bug"):
        collect(jobs_of(works), 1, given)

    assert [outcome.job.name for outcome in given] == ["0", "1"]


def test_outcomes_come_in_batches_for_the_ledger() -> None:
    """A transaction for each outcome would be slower than Stripe."""
    sizes = [
        len(batch)
        for batch in run_all(
            jobs_of([lambda: "done"] * 25), workers=4, batch_size=10, batch_seconds=PATIENCE
        )
    ]

    assert sizes == [10, 10, 5]


def test_an_outcome_does_not_wait_for_its_batch_to_fill() -> None:
    """After a crash, what is not yet in the ledger has to be looked for in Stripe."""
    recorded = threading.Event()

    def waits_for_the_ledger() -> str:
        assert recorded.wait(PATIENCE)
        return "second"

    batches = run_all(
        jobs_of([lambda: "first", waits_for_the_ledger]), workers=2, batch_seconds=0.01
    )
    first = next(batches)
    recorded.set()

    assert [outcome.result for outcome in first] == ["first"]
    assert [outcome.result for batch in batches for outcome in batch] == ["second"]


def test_whoever_stops_listening_stops_the_work() -> None:
    """When the ledger cannot be written, no further request may leave."""
    done: list[int] = []

    def job(number: int) -> Job[str]:
        def work() -> str:
            done.append(number)
            return "done"

        return Job(str(number), work, serial_key="sub_1")

    batches = run_all([job(number) for number in range(10_000)], workers=2, batch_size=1)
    next(batches)
    batches.close()
    stopped_at = len(done)

    assert stopped_at < 10_000
    assert not [each for each in threading.enumerate() if each.name.startswith("stripe-")]


def test_jobs_that_wait_for_one_endpoint_keep_no_thread_from_another() -> None:
    """Writes must begin while a thousand reads wait for the reads' own limit."""
    written = threading.Event()

    def read() -> str:
        assert written.wait(PATIENCE)
        return "read"

    def write() -> str:
        written.set()
        return "written"

    reads = [Job(str(number), read, endpoint="GET") for number in range(100)]
    crew = Crew[str](4)
    with crew:
        crew.add([*reads, Job("write", write, endpoint="POST")])
        given = list(iter(lambda: crew.next_batch(size=1), ()))

    assert len(given) == 101


def test_jobs_can_be_added_while_others_run() -> None:
    """What was read is written while the rest is still being read."""
    crew = Crew[str](2)
    with crew:
        crew.add(jobs_of([lambda: "first"] * 3))
        first = crew.next_batch(size=1)
        crew.add([Job("second", lambda: "second", serial_key="sub_1")])
        crew.add([Job("third", lambda: "third", serial_key="sub_1")])
        rest = list(chain.from_iterable(iter(crew.next_batch, ())))

    assert sorted(o.result or "" for o in (*first, *rest)) == ["first"] * 3 + ["second", "third"]


def test_a_crew_that_has_failed_starts_nothing_that_is_added_later() -> None:
    """Intents of further writes would only have to be looked for."""
    crew = Crew[str](1)
    with crew:
        crew.add(jobs_of([failing(StripeLoginFailed("Invalid."))]))
        assert len(crew.next_batch()) == 1
        assert crew.has_failed
        crew.add(jobs_of([lambda: "never"]))
        with pytest.raises(StripeLoginFailed):
            crew.next_batch()
