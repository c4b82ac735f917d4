"""Schedules: phases are replaced as a whole, and overwrite the subscription when they begin."""

from functools import partial
from typing import Any

import pytest

from tests.sandbox.stripe.shop import Shop, coupons_on, discount_ids, refused

MONTH = {"interval": "month"}


def phase(shop: Shop, **more: Any) -> dict[str, Any]:
    """A phase of one month with the shop's price."""
    return {"items": [{"price": shop.price}], "duration": MONTH} | more


def schedule(shop: Shop, *phases: dict[str, Any], **more: Any) -> Any:
    """A schedule that starts now, with its subscription expanded."""
    params = {"customer": shop.customer, "start_date": "now", "phases": list(phases)}
    return shop.v1.subscription_schedules.create(params | more)


def sent_back(read: Any, **more: Any) -> list[dict[str, Any]]:
    """Current and future phases as a careful client would send them back."""
    phases = []
    for one in read.phases:
        items = [{"price": item.price, "quantity": item.quantity} for item in one["items"]]
        dates = {"start_date": one.start_date, "end_date": one.end_date}
        phases.append({"items": items, **dates, **more})
    return phases


def test_a_schedule_that_starts_now_has_its_subscription(shop: Shop) -> None:
    """The subscription points back to it."""
    shop.percent("A", 10)

    made = schedule(shop, phase(shop, discounts=[{"coupon": "A"}], metadata={"a": "b"}))

    subscription = shop.get(made.subscription)
    assert (made.status, subscription.schedule) == ("active", made.id)
    assert subscription.metadata.to_dict() == {"a": "b"}
    assert coupons_on(subscription) == ["A"]
    (live,) = discount_ids(subscription)
    assert made.phases[0].discounts[0].to_dict() == {
        "coupon": None,
        "discount": live,
        "promotion_code": None,
    }


def test_one_that_starts_later_has_none_until_then(shop: Shop) -> None:
    """Its coupons are redeemed when the phase begins."""
    shop.percent("A", 10)
    start = shop.now() + 10 * 24 * 3600
    made = schedule(shop, phase(shop, discounts=[{"coupon": "A"}]), start_date=start)
    assert (made.status, made.subscription) == ("not_started", None)
    assert made.phases[0].discounts[0].coupon == "A"
    assert shop.v1.coupons.retrieve("A").times_redeemed == 0
    assert shop.v1.invoices.create_preview({"schedule": made.id}).total == 900

    shop.advance(days=11)

    started = shop.v1.subscription_schedules.retrieve(made.id)
    assert started.status == "active"
    assert coupons_on(shop.get(started.subscription)) == ["A"]
    assert shop.v1.coupons.retrieve("A").times_redeemed == 1


def test_the_next_phase_overwrites_what_was_changed_by_hand(shop: Shop) -> None:
    """Discounts of the subscription that are not on the next phase are swept away."""
    for name in "ABC":
        shop.percent(name, 10)
    made = schedule(
        shop, phase(shop, discounts=[{"coupon": "A"}]), phase(shop, discounts=[{"coupon": "B"}])
    )
    (kept,) = discount_ids(shop.get(made.subscription))
    shop.update(made.subscription, discounts=[{"discount": kept}, {"coupon": "C"}])
    assert coupons_on(shop.get(made.subscription)) == ["A", "C"]

    shop.advance(days=31)

    assert coupons_on(shop.get(made.subscription)) == ["B"]


@pytest.mark.parametrize(("choice", "phases"), [("splits_phase", 2), ("keeps_phase", 1)])
def test_a_direct_edit_splits_the_active_phase_or_not(shop: Shop, choice: str, phases: int) -> None:
    """Metadata never gets into the schedule and splits nothing."""
    shop.percent("A", 10)
    shop.switch(edit_under_schedule=choice)
    made = schedule(shop, phase(shop))
    shop.advance(days=3)
    shop.update(made.subscription, metadata={"x": "y"})
    assert len(shop.v1.subscription_schedules.retrieve(made.id).phases) == 1

    shop.update(made.subscription, discounts=[{"coupon": "A"}])

    after = shop.v1.subscription_schedules.retrieve(made.id)
    assert len(after.phases) == phases
    assert len(after.phases[-1].discounts) == phases - 1
    assert after.current_phase.end_date == made.current_phase.end_date


def test_an_update_replaces_all_phases_and_unsets_what_it_leaves_out(shop: Shop) -> None:
    """So everything that is to be kept has to be sent again."""
    shop.percent("A", 10)
    made = schedule(
        shop,
        phase(
            shop,
            discounts=[{"coupon": "A"}],
            description="kept?",
            collection_method="charge_automatically",
        ),
        phase(shop, discounts=[{"coupon": "A"}]),
    )

    after = shop.v1.subscription_schedules.update(made.id, {"phases": sent_back(made)[:1]})

    assert len(after.phases) == 1
    assert (after.phases[0].description, after.phases[0].discounts) == (None, [])
    assert shop.get(made.subscription).discounts == []


def test_left_out_discounts_are_kept_under_the_other_switch(shop: Shop) -> None:
    """Documentation and reports disagree, so a client always sends them."""
    shop.percent("A", 10)
    shop.switch(phase_discounts_omitted="kept")
    made = schedule(shop, phase(shop, discounts=[{"coupon": "A"}]), phase(shop))
    (live,) = discount_ids(shop.get(made.subscription))

    shop.v1.subscription_schedules.update(made.id, {"phases": sent_back(made)})
    assert discount_ids(shop.get(made.subscription)) == [live]

    shop.v1.subscription_schedules.update(made.id, {"phases": sent_back(made, discounts="")})
    assert shop.get(made.subscription).discounts == []


def test_the_current_phase_keeps_a_discount_by_id_and_mints_by_coupon(shop: Shop) -> None:
    """A coupon sent again would restart a window or revive what is spent."""
    shop.percent("R", 10, "repeating")
    made = schedule(shop, phase(shop, discounts=[{"coupon": "R"}]), phase(shop))
    (live,) = discount_ids(shop.get(made.subscription))

    by_id = sent_back(made)
    by_id[0]["discounts"] = by_id[1]["discounts"] = [{"discount": live}]
    shop.v1.subscription_schedules.update(made.id, {"phases": by_id})
    assert discount_ids(shop.get(made.subscription)) == [live]
    shop.advance(days=31)
    assert discount_ids(shop.get(made.subscription)) == [live]

    by_id[1]["discounts"] = [{"coupon": "R"}]
    shop.v1.subscription_schedules.update(made.id, {"phases": by_id[1:]})
    assert discount_ids(shop.get(made.subscription)) != [live]
    assert shop.v1.coupons.retrieve("R").times_redeemed == 2


def test_a_spent_discount_is_refused_when_it_is_sent_back(shop: Shop) -> None:
    """It belongs to the subscription no longer; the phase still shows it."""
    shop.percent("ONCE", 10, "once")
    made = schedule(shop, phase(shop, discounts=[{"coupon": "ONCE"}]))
    spent = made.phases[0].discounts[0].discount
    phases = sent_back(made, discounts=[{"discount": spent}])
    assert shop.get(made.subscription).discounts == []

    error = refused(partial(shop.v1.subscription_schedules.update, made.id, {"phases": phases}))
    shop.switch(spent_discount_resent="ignored")
    shop.v1.subscription_schedules.update(made.id, {"phases": phases})

    assert error.code == "resource_missing"
    assert shop.get(made.subscription).discounts == []


def test_rules_of_an_update(shop: Shop) -> None:
    """Start of the first phase, unchanged start of the current one, contiguity, ten phases."""
    made = schedule(shop, phase(shop), phase(shop))
    good = sent_back(made)
    without_start = [{key: value for key, value in good[0].items() if key != "start_date"}]
    moved = [good[0] | {"start_date": made.phases[0].start_date + 60}]
    gap = [good[0], good[1] | {"start_date": good[1]["start_date"] + 60}]
    eleven = [good[0], *[phase(shop)] * 10]
    both = [good[0] | {"duration": MONTH}]
    empty: list[dict[str, Any]] = [good[0] | {"items": []}]
    for bad in (without_start, moved, gap, eleven, both, good[1:], empty):
        error = refused(partial(shop.v1.subscription_schedules.update, made.id, {"phases": bad}))
        assert error.type == "invalid_request_error"
    assert shop.v1.subscription_schedules.retrieve(made.id).to_dict() == made.to_dict()
    longest = shop.v1.subscription_schedules.update(
        made.id, {"phases": [good[0], *[phase(shop)] * 9]}
    )
    assert len(longest.phases) == 10


def test_past_phases_may_be_left_out_or_sent_unchanged(shop: Shop) -> None:
    """They do not count towards the ten."""
    made = schedule(shop, phase(shop, description="first"), phase(shop), phase(shop))
    shop.advance(days=31)
    whole = sent_back(made)

    for phases in (whole, whole[1:]):
        after = shop.v1.subscription_schedules.update(made.id, {"phases": phases})
        assert len(after.phases) == 3
        assert after.phases[0].description == "first"
    changed = [whole[0] | {"end_date": whole[0]["end_date"] - 60}, *whole[1:]]
    refused(partial(shop.v1.subscription_schedules.update, made.id, {"phases": changed}))


@pytest.mark.parametrize(
    ("end_behavior", "status"), [("release", "active"), ("cancel", "canceled")]
)
def test_after_the_last_phase_the_subscription_goes_on_or_ends(
    shop: Shop, end_behavior: str, status: str
) -> None:
    """Both detach the schedule."""
    made = schedule(shop, phase(shop), end_behavior=end_behavior)

    shop.advance(days=31)

    ended = shop.v1.subscription_schedules.retrieve(made.id)
    subscription = shop.get(made.subscription)
    assert (ended.subscription, subscription.schedule) == (None, None)
    assert ended.status == ("released" if end_behavior == "release" else "completed")
    assert subscription.status == status


def test_an_ended_schedule_takes_no_change(shop: Shop) -> None:
    """Released, cancelled or completed."""
    released = schedule(shop, phase(shop))
    shop.v1.subscription_schedules.release(released.id)
    cancelled = schedule(shop, phase(shop))
    shop.v1.subscription_schedules.cancel(cancelled.id)

    after = shop.v1.subscription_schedules.retrieve(released.id)
    assert (after.status, after.released_subscription) == ("released", released.subscription)
    assert shop.get(released.subscription).status == "active"
    assert shop.get(cancelled.subscription).status == "canceled"
    for one in (released.id, cancelled.id):
        update = {"phases": sent_back(released)}
        error = refused(partial(shop.v1.subscription_schedules.update, one, update))
        assert error.type == "invalid_request_error"
        refused(partial(shop.v1.subscription_schedules.cancel, one))
        refused(partial(shop.v1.subscription_schedules.release, one))


def test_cancellation_of_a_scheduled_subscription_is_refused(shop: Shop) -> None:
    """The message points to the schedule."""
    made = schedule(shop, phase(shop))

    error = refused(lambda: shop.update(made.subscription, cancel_at_period_end=True))

    assert made.id in str(error.message)


def test_from_subscription_takes_it_over_as_it_is(shop: Shop) -> None:
    """And excludes every other parameter; a second schedule is refused."""
    shop.percent("A", 10)
    shop.percent("B", 10)
    subscription = shop.subscribe(
        items=[{"price": shop.price, "discounts": [{"coupon": "B"}], "metadata": {"k": "v"}}],
        discounts=[{"coupon": "A"}],
    )
    create = shop.v1.subscription_schedules.create
    refused(lambda: create({"from_subscription": subscription.id, "end_behavior": "cancel"}))

    made = create({"from_subscription": subscription.id})

    (only,) = made.phases
    assert only.discounts[0].discount == discount_ids(subscription)[0]
    assert only["items"][0].metadata.to_dict() == {"k": "v"}
    assert shop.get(subscription.id).schedule == made.id
    refused(lambda: create({"from_subscription": subscription.id}))


def test_metadata_of_a_phase_is_merged_into_the_subscription(shop: Shop) -> None:
    """A blank unsets."""
    made = schedule(
        shop, phase(shop, metadata={"a": "1", "b": "2"}), phase(shop, metadata={"a": "", "c": "3"})
    )

    shop.advance(days=31)

    assert shop.get(made.subscription).metadata.to_dict() == {"b": "2", "c": "3"}


def test_phase_discounts_can_be_expanded(shop: Shop) -> None:
    """Three members, each an id until it is expanded."""
    shop.percent("A", 10)
    made = schedule(
        shop, phase(shop, discounts=[{"coupon": "A"}]), phase(shop, discounts=[{"coupon": "A"}])
    )

    read = shop.v1.subscription_schedules.retrieve(
        made.id,
        {
            "expand": [
                "phases.discounts.coupon",
                "phases.discounts.discount",
                "subscription.discounts",
            ]
        },
    )

    assert read.phases[0].discounts[0].discount.source.coupon == "A"
    assert read.phases[1].discounts[0].coupon.percent_off == 10
    assert read.subscription.discounts[0].id == read.phases[0].discounts[0].discount.id


def test_a_phase_with_another_price_is_billed_from_its_first_day(shop: Shop) -> None:
    """Each segment of a term has its own price and its own discounts."""
    shop.percent("A", 10)
    dearer = shop.new_price(2000)
    second = {"items": [{"price": dearer}], "duration": MONTH, "discounts": [{"coupon": "A"}]}
    settings = {"collection_method": "send_invoice", "invoice_settings": {"days_until_due": 30}}
    made = schedule(shop, phase(shop), second, default_settings=settings)
    preview = shop.v1.invoices.create_preview({"subscription": made.subscription})

    shop.advance(days=31)

    after = shop.v1.subscriptions.retrieve(made.subscription, {"expand": ["latest_invoice"]})
    assert (preview.total, after.latest_invoice.total) == (1800, 1800)
    assert [line.amount for line in after.latest_invoice.lines.data] == [2000]
    assert (after.collection_method, after.days_until_due) == ("send_invoice", 30)
