"""When people are told: at a change, once a day while it stays, and when it is over."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.automation.alert_state import (
    PATIENCE,
    AlertState,
    Cleared,
    Days,
    Ending,
    News,
    Trouble,
)

AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
TABLES = frozenset({"coupon_snapshots", "stripe_coupons"})


def day(first: int, last: int | None = None) -> Days:
    return date(2026, 11, first), date(2026, 11, last or first)


def failure(code: str = "stripe.login", **changes: object) -> Trouble:
    plain = Trouble(code, "It fails.", "Mend it.", "run", "hourly", day(1, 2), TABLES, AT)
    return replace(plain, **changes)  # type: ignore[arg-type]  # any field of it


def failed(trouble: Trouble) -> Ending:
    return Ending(trouble.run_id, (), (trouble,))


def passed(days: Days | None, *, source: str | None = None) -> Ending:
    return Ending("later", (Cleared(None, days, TABLES, source),), ())


class Watcher:
    """Keeps the state from look to look."""

    def __init__(self) -> None:
        self.state = AlertState(AT)

    def look(self, *endings: Ending, at: datetime = AT) -> list[tuple[str, str]]:
        """Kind and code of what is told; the state goes through its text each time."""
        state = AlertState.from_text(self.state.to_text(), at)
        assert state == self.state
        self.state, news = state.after(endings, at)
        return [(each.kind, each.code) for each in news]


def test_a_failure_is_told_once_and_its_end_once() -> None:
    """An hourly schedule that fails all night is one message, and one in the morning."""
    watcher = Watcher()

    assert watcher.look(failed(failure())) == [("failing", "stripe.login")]
    assert [watcher.look(failed(failure()), at=AT + n * HOUR) for n in range(1, 9)] == [[]] * 8
    assert watcher.look(passed(day(1, 2)), at=AT + 9 * HOUR) == [("recovered", "stripe.login")]
    assert watcher.look(passed(day(1, 2)), at=AT + 10 * HOUR) == []


def test_another_reason_is_a_change_of_state() -> None:
    """The first message said what to do about something else."""
    watcher = Watcher()
    watcher.look(failed(failure("salesforce.permission")))

    assert watcher.look(failed(failure("stripe.login"))) == [("failing", "stripe.login")]


def test_what_stays_is_told_again_once_a_day() -> None:
    """Somebody was on holiday."""
    watcher = Watcher()
    watcher.look(failed(failure()))

    told = [watcher.look(at=AT + n * HOUR) for n in (1, 23, 24, 25, 47, 48)]

    assert told == [[], [], [("still_failing", "stripe.login")], [], [], told[2]]


def test_what_is_tried_again_is_told_only_when_it_lasts() -> None:
    """An outage of five minutes is nobody's work."""
    watcher = Watcher()
    outage = failure("stripe.unavailable", may_pass=True)
    assert watcher.look(failed(outage)) == []
    assert watcher.look(passed(day(1, 2)), at=AT + PATIENCE) == []

    assert watcher.look(failed(outage)) == []
    again = failed(replace(outage, since=AT + PATIENCE / 2))
    assert watcher.look(again, at=AT + PATIENCE / 2) == []
    assert watcher.look(at=AT + PATIENCE) == [("failing", "stripe.unavailable")]


def test_a_run_over_some_of_the_days_leaves_the_others_open() -> None:
    """Their customers still wait."""
    watcher = Watcher()
    watcher.look(failed(failure(days=day(1, 9))))

    assert watcher.look(passed(day(4, 5))) == []
    assert [each.days for each in watcher.state.open] == [day(1, 3), day(6, 9)]
    assert watcher.look(passed(day(6, 30))) == []
    assert watcher.look(passed(day(1, 3))) == [("recovered", "stripe.login")]


def test_the_next_run_of_a_schedule_stands_for_the_one_before() -> None:
    """Its days move on: the oldest of them is never run by it again."""
    watcher = Watcher()
    watcher.look(failed(failure(days=day(1, 2))))

    assert watcher.look(passed(day(2, 3), source="daily")) == []
    assert watcher.look(passed(day(2, 3), source="hourly")) == [("recovered", "stripe.login")]


def test_a_run_of_fewer_tables_proves_nothing_about_the_others() -> None:
    """Reading Salesforce works while Stripe refuses the key."""
    watcher = Watcher()
    watcher.look(failed(failure()))
    partial = Ending("later", (Cleared(None, None, frozenset({"coupon_snapshots"})),), ())

    assert watcher.look(partial) == []


def test_a_check_is_over_when_it_passes_and_not_when_a_run_succeeds() -> None:
    """A warning does not fail its run."""
    watcher = Watcher()
    check = failure("check.no_record_stays_blocked", days=None, tables=frozenset())
    warned = Ending("run", (Cleared(None, day(1, 2), TABLES),), (check,))

    assert watcher.look(warned) == [("failing", check.code)]
    assert watcher.look(passed(day(1, 2))) == []
    assert watcher.look(Ending("x", (Cleared("check.another"),), ())) == []
    assert watcher.look(Ending("x", (Cleared(check.code),), ())) == [("recovered", check.code)]


def test_a_cursor_that_somebody_typed_begins_anew() -> None:
    """The page of the sensor has a field for it."""
    assert AlertState.from_text("yesterday", AT) == AlertState(AT)


days = st.tuples(st.integers(1, 6), st.integers(0, 3)).map(lambda d: day(d[0], d[0] + d[1]))
endings = st.one_of(
    st.builds(
        lambda code, of, may_pass: failed(failure(code, days=of, may_pass=may_pass)),
        st.sampled_from(["stripe.login", "run.failed"]),
        days,
        st.booleans(),
    ),
    days.map(passed),
)


@given(looks=st.lists(st.tuples(st.lists(endings, max_size=3), st.integers(0, 30)), max_size=12))
def test_whatever_happens_nobody_is_told_twice_and_nothing_stays_unsaid(
    looks: list[tuple[list[Ending], int]],
) -> None:
    """A code fails, may still fail, and recovers: in this order; and the days are exact."""
    watcher, now, known = Watcher(), AT, dict[str, str]()
    wrong: dict[date, set[str]] = {}
    for found, hours in looks:
        now += hours * HOUR
        for ending in found:
            for first, last in [c.days for c in ending.cleared if c.days is not None]:
                wrong = {d: codes for d, codes in wrong.items() if not first <= d <= last}
            for trouble in ending.troubles:
                assert trouble.days is not None
                first, last = trouble.days
                for n in range((last - first).days + 1):
                    wrong.setdefault(first + timedelta(days=n), set()).add(trouble.code)
        for kind, code in watcher.look(*found, at=now):
            assert (known.get(code) in {"failing", "still_failing"}) == (kind != "failing")
            known[code] = kind
    # what was wrong for long enough is known
    watcher.look(at=now + PATIENCE)
    open_now = {
        (each.days[0] + timedelta(days=n), each.code)
        for each in watcher.state.open
        if each.days is not None
        for n in range((each.days[1] - each.days[0]).days + 1)
    }
    assert open_now == {(d, code) for d, codes in wrong.items() for code in codes}
    assert watcher.state.told.keys() == {code for _, code in open_now}


def test_the_latest_run_is_told_first() -> None:
    """Its page says most."""
    first, second = failure(run_id="first"), failure(run_id="second", days=day(5))
    news: list[News]
    _, news = AlertState(AT).after([failed(first), failed(second)], AT)

    assert [each.run_id for each in news[0].troubles] == ["second", "first"]
