"""What of others' edits on a schedule a write of ours undid."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from coupon_pipeline.domain.phase_edits import PhaseEdit, RewrittenPhases, phase_edits
from coupon_pipeline.domain.targets import PhaseState, ScheduleState

FIRST, SECOND, END = (
    int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2026, 2027, 2028)
)
Body = dict[str, Any]


def _item(price: str = "price_1", **more: Any) -> Body:
    return {"price": price, "plan": price, "quantity": 1, "discounts": [], "metadata": {}, **more}


def _phase(start: int, end: int, *items: Body, **more: Any) -> Body:
    """As an event shows it: what is not set is null."""
    return {
        "start_date": start,
        "end_date": end,
        "items": list(items or [_item()]),
        "discounts": [],
        "metadata": {},
        "currency": "usd",
        "description": None,
        "application_fee_percent": None,
        "default_tax_rates": [],
        "trial_end": None,
        **more,
    }


def _coupon(name: str) -> Body:
    return {"coupon": name, "discount": None, "promotion_code": None}


OURS = _coupon("ours")
KNOWN = _coupon("known")
READ: Body = {
    "phases": [
        {"start_date": FIRST, "discounts": [], "items": [{"price": "price_1", "discounts": []}]},
        {
            "start_date": SECOND,
            "discounts": [{"coupon": "known"}],
            "items": [{"price": "price_1", "discounts": []}],
        },
    ]
}
SENT: Body = {
    "phases": [
        {
            "start_date": FIRST,
            "end_date": SECOND,
            "currency": "usd",
            "items": [{"price": "price_1", "quantity": 1, "discounts": ""}],
            "discounts": [{"coupon": "ours"}],
            "metadata": {"coupon_pipeline": "p"},
        },
        {
            "start_date": SECOND,
            "end_date": END,
            "currency": "usd",
            "items": [{"price": "price_1", "quantity": 1, "discounts": ""}],
            "discounts": [{"coupon": "known"}, {"coupon": "ours"}],
            "metadata": {"coupon_pipeline": "p"},
        },
    ],
    "proration_behavior": "none",
}
BEFORE = [_phase(FIRST, SECOND), _phase(SECOND, END, discounts=[KNOWN])]
PROOF = {"coupon_pipeline": "p"}
AFTER = [
    _phase(FIRST, SECOND, discounts=[OURS], metadata=PROOF),
    _phase(SECOND, END, discounts=[KNOWN, OURS], metadata=PROOF),
]


def _event(second: Body | None, *more: Body, began: int | None = FIRST) -> RewrittenPhases:
    """The write, with the second phase as somebody had made it just before."""
    before = [BEFORE[0], *([second] if second else []), *more]
    return RewrittenPhases(
        "sub_sched_1", before, AFTER, began, "req_1", "key-1", datetime(2026, 11, 2, tzinfo=UTC)
    )


def _told(event: RewrittenPhases) -> list[str]:
    return [edit.words for edit in phase_edits(event, READ, SENT)]


@pytest.mark.parametrize("began", [FIRST, None], ids=["active", "not started"])
def test_what_a_write_changes_itself_is_no_edit(began: int | None) -> None:
    """Its discounts and its proof, in every phase."""
    assert _told(_event(BEFORE[1], began=began)) == []


IN_SECOND = "of the phase that begins 2027-01-01"
EDITS: dict[str, tuple[Body, str]] = {
    "a coupon on the phase": (
        _phase(SECOND, END, discounts=[KNOWN, _coupon("theirs")]),
        f"theirs added in discounts {IN_SECOND}",
    ),
    "a discount taken off the phase": (
        _phase(SECOND, END),
        f"known taken away in discounts {IN_SECOND}",
    ),
    "a coupon on an item": (
        _phase(SECOND, END, _item(discounts=[_coupon("theirs")]), discounts=[KNOWN]),
        f"theirs added in discounts of item 1 (price_1) {IN_SECOND}",
    ),
    "another coupon in the place of one": (
        _phase(SECOND, END, discounts=[_coupon("theirs")]),
        f"theirs added and known taken away in discounts {IN_SECOND}",
    ),
    "a quantity": (
        _phase(SECOND, END, _item(quantity=5), discounts=[KNOWN]),
        f"quantity of item 1 (price_1) {IN_SECOND} (5, now 1 again)",
    ),
    "an item more": (
        _phase(SECOND, END, _item(), _item("price_2"), discounts=[KNOWN]),
        f"items {IN_SECOND} (price_1, price_2, now price_1 again)",
    ),
    "a field": (
        _phase(SECOND, END, discounts=[KNOWN], application_fee_percent=Decimal("2.5")),
        f"application_fee_percent {IN_SECOND} (2.5, now nothing again)",
    ),
    "an end": (
        _phase(SECOND, END - 86400, discounts=[KNOWN]),
        f"end_date {IN_SECOND} ({END - 86400}, now {END} again)",
    ),
    "metadata": (
        _phase(SECOND, END, discounts=[KNOWN], metadata={"theirs": "1"}),
        f"metadata theirs {IN_SECOND} (1, now nothing again)",
    ),
}


@pytest.mark.parametrize("case", EDITS.values(), ids=EDITS)
def test_each_edit_that_a_write_undid_is_told(case: tuple[Body, str]) -> None:
    """In words that name phase and place, what somebody made of it and what the write did."""
    edited, words = case

    assert _told(_event(edited)) == [words]


def test_a_phase_that_came_or_went_is_told() -> None:
    """The write ends what was added, and brings back what was taken away."""
    later = _phase(END, END + 86400)

    assert _told(_event(BEFORE[1], later)) == ["the phase that begins 2028-01-01 added"]
    assert _told(_event(None)) == ["the phase that begins 2027-01-01 taken away"]


def test_a_phase_that_was_over_is_none_of_the_writes_business() -> None:
    """It is shown before and not sent."""
    past = _phase(FIRST - 86400, FIRST, _item(quantity=7))
    event = _event(BEFORE[1])

    assert _told(replace(event, before=[past, *event.before])) == []


def test_discounts_on_the_phase_that_is_on_are_left_to_their_own_events() -> None:
    """They would be told twice; what else was edited there is told."""
    edited = _phase(FIRST, SECOND, _item(quantity=5), discounts=[_coupon("theirs")])
    event = replace(_event(BEFORE[1]), before=[edited, BEFORE[1]])

    assert [edit.place.name for edit in phase_edits(event, READ, SENT)] == ["quantity"]
    assert len(list(phase_edits(replace(event, began=None), READ, SENT))) == 2


def test_what_the_accounts_own_version_shows_otherwise_is_no_edit() -> None:
    """An older form lacks fields that were sent, before the write and after it."""
    lacking = [{k: v for k, v in phase.items() if k != "currency"} for phase in BEFORE]
    after = [{k: v for k, v in phase.items() if k != "currency"} for phase in AFTER]

    assert _told(replace(_event(None), before=lacking, after=after)) == []


def test_what_stripe_itself_makes_of_what_was_sent_is_no_edit() -> None:
    """The write sent what was there: a default that is filled in, another spelling."""
    filled = [{**phase, "currency": "USD", "description": "By Stripe"} for phase in AFTER]

    assert _told(replace(_event(BEFORE[1]), after=filled)) == []


def test_a_discount_that_the_write_meant_to_leave_out_is_no_edit() -> None:
    """It was read, and its own discount is named in its place."""
    wanted = {**SENT["phases"][1], "discounts": [{"discount": "di_1"}]}
    named = {"coupon": None, "discount": "di_1", "promotion_code": None}
    event = _event(BEFORE[1])
    event = replace(event, after=[AFTER[0], _phase(SECOND, END, discounts=[named])])

    assert list(phase_edits(event, READ, {"phases": [SENT["phases"][0], wanted]})) == []


def _schedule(*bodies: Body) -> ScheduleState:
    phases = tuple(PhaseState(b["start_date"], b["end_date"], "usd", body=b) for b in bodies)
    return ScheduleState("sub_sched_1", "active", "cus_1", phases=phases)


def _edit(edited: Body | None, *more: Body) -> PhaseEdit:
    (found,) = phase_edits(_event(edited, *more), READ, SENT)
    return found


@pytest.mark.parametrize("edited", [body for body, _ in EDITS.values()], ids=EDITS)
def test_an_edit_is_undone_until_somebody_makes_it_again(edited: Body) -> None:
    """Beside what the write had added."""
    edit = _edit(edited)
    again = {**edited, "discounts": [*edited["discounts"], OURS]}

    assert edit.is_undone(_schedule(*AFTER))
    assert not edit.is_undone(_schedule(AFTER[0], again))


def test_a_phase_is_undone_until_somebody_adds_it_or_takes_it_away_again() -> None:
    """As it came or went."""
    later = _phase(END, END + 86400)
    added, taken_away = _edit(BEFORE[1], later), _edit(None)

    assert added.is_undone(_schedule(*AFTER))
    assert not added.is_undone(_schedule(*AFTER, later))
    assert taken_away.is_undone(_schedule(*AFTER))
    assert not taken_away.is_undone(_schedule(AFTER[0]))
