"""A timeline tells everything in order, and what people changed in between."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from coupon_pipeline.domain.records import CouponVersion
from coupon_pipeline.domain.targets import JsonValue
from coupon_pipeline.domain.timeline import (
    Event,
    PastWrite,
    events_of_versions,
    events_of_writes,
    merged,
)

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
COUPON = {"sf-ten": frozenset({"di_ours"})}


def _write(minute: int, before: JsonValue, body: JsonValue, outcome: str | None) -> PastWrite:
    return PastWrite(
        system="stripe",
        operation="subscription.update",
        target_id="sub_1",
        written_at=NOON + timedelta(minutes=minute),
        actor="ann@host",
        run_id=f"run-{minute}",
        plan_id="plan",
        before=before,
        body=body,
        outcome=outcome,
        request_id=f"req_{minute}",
        detail="",
    )


def _version(minute: int, percent: int, **fields: str) -> CouponVersion:
    return CouponVersion(
        "coupon",
        NOON + timedelta(minutes=minute),
        NOON,
        "USD",
        None,
        is_deleted=False,
        fields={"Percent_Off__c": percent, "LastModifiedById": "005ann", **fields},
    )


GRANT = _write(0, {"discounts": []}, {"discounts": [{"coupon": "sf-ten"}]}, "done")


def _changes(*writes: PastWrite) -> list[JsonValue]:
    return [
        event.details["changes"]
        for event in events_of_writes(writes, {}, COUPON)
        if event.what == "changed_in_between"
    ]


def test_events_of_one_moment_are_told_causes_first() -> None:
    """A clock of whole seconds must not put a discount before the activation that it is for."""
    attached, activated = Event(NOON, "attachment", "b"), Event(NOON, "activation", "a")
    earlier = Event(NOON - timedelta(seconds=1), "problem", "c")

    assert merged([attached], [activated, earlier]) == (earlier, activated, attached)


def test_a_write_is_told_with_its_request_run_and_plan_and_what_it_replaced() -> None:
    (event,) = events_of_writes([GRANT], {"sub_1": "the subscription"}, {})

    assert (event.request_id, event.run_id, event.plan_id) == ("req_0", "run-0", "plan")
    assert "the subscription: done" in event.text
    assert event.details["before"] == {"discounts": []}
    assert event.as_json()["at"] == "2026-11-02T12:00:00+00:00"


def test_our_own_discount_found_again_is_no_change() -> None:
    """Stripe answers a grant with a discount of its own id."""
    found: JsonValue = {"discounts": [{"discount": "di_ours"}]}

    assert _changes(GRANT, _write(1, found, {}, "done")) == []


def test_a_discount_put_there_by_hand_in_place_of_ours_is_told() -> None:
    found: JsonValue = {"discounts": [{"discount": "di_theirs"}]}

    (changes,) = _changes(GRANT, _write(1, found, {}, "done"))

    assert changes == [
        "discounts has di_theirs, which we did not put there",
        "discounts has sf-ten no more: taken away, or used up",
    ]


def test_a_grant_whose_discount_nobody_noted_may_be_any_new_one() -> None:
    """A guess must not accuse anybody."""
    found: JsonValue = {"discounts": [{"discount": "di_unknown"}]}
    events = events_of_writes([GRANT, _write(1, found, {}, "done")], {}, {})

    assert [event.what for event in events] == ["write", "write"]


def test_items_phases_and_keys_are_held_against_what_was_sent_for_them() -> None:
    """Elements are told by their own keys, whatever their order in the list."""
    sent: JsonValue = {
        "items": [{"id": "si_1", "discounts": []}, {"id": "si_2", "discounts": ""}],
        "phases": [{"start_date": 5, "items": [{"price": "p", "discounts": [{"coupon": "x"}]}]}],
        "metadata": {"proof": "ours", "taken_away": ""},
        "proration_behavior": "none",
    }
    found: JsonValue = {
        "items": [{"id": "si_2", "discounts": [{"discount": "di_9"}]}],
        "phases": [{"start_date": 5, "items": [{"price": "p", "discounts": []}]}],
        "metadata": {"proof": "theirs", "taken_away": None, "new": "unknown to us"},
    }

    (changes,) = _changes(_write(0, None, sent, "done"), _write(1, found, {}, "done"))

    assert changes == [
        "items[si_2].discounts has di_9, which we did not put there",
        "phases[5].items[0 p].discounts has x no more: taken away, or used up",
        "metadata.proof was ours and became theirs",
    ]


def test_nothing_is_said_after_a_write_of_which_nobody_knows_what_it_left() -> None:
    """A refused one left everything as it was; one without an answer may have changed it."""
    found: JsonValue = {"discounts": [{"discount": "di_theirs"}]}
    later = _write(2, found, {}, "done")

    assert _changes(GRANT, _write(1, None, {}, None), later) == []
    assert _changes(GRANT, _write(1, None, {}, "settled"), later) == []
    assert len(_changes(GRANT, _write(1, None, {}, "refused"), later)) == 1


def test_an_edit_after_the_activation_is_told_with_who_and_what() -> None:
    versions = [_version(9, 30), _version(0, 10), _version(3, 20)]
    called = {"coupon": 'quote coupon "Ten"'}

    first, second, third = events_of_versions(versions, NOON + timedelta(minutes=5), called)

    assert [e.what for e in (first, second, third)] == [
        "coupon_version",
        "coupon_version",
        "edited_after_activation",
    ]
    assert third.details["changes"] == ["Percent_Off__c was 20 and became 30"]
    assert third.text.startswith('quote coupon "Ten" was edited by 005ann: Percent_Off__c was 20')
    assert "what was signed stays" in third.text


def test_a_changed_currency_is_an_edit() -> None:
    euro = replace(_version(1, 10), currency="EUR")
    _, edit = events_of_versions([_version(0, 10), euro], NOON, {})

    assert edit.details["changes"] == ["its currency was USD and became EUR"]
