"""Events about discounts and schedules, over HTTP."""

from typing import Any

from tests.sandbox.stripe.shop import Shop, discount_ids, refused


def _told(events: Any) -> list[tuple[str, str]]:
    return [(event.type, event.data.object["id"]) for event in events]


def test_events_tell_which_request_put_a_discount_on_and_took_it_off(shop: Shop) -> None:
    """A list that replaces another takes off what it does not name."""
    for name in "ABC":
        shop.percent(name, 10)
    made = shop.subscribe(discounts=[{"coupon": "A"}, {"coupon": "B"}])
    first, second = discount_ids(made)

    changed = shop.v1.subscriptions.update(
        made.id,
        {"discounts": [{"discount": second}, {"coupon": "C"}]},
        {"idempotency_key": "mine"},
    )
    third = changed.discounts[1]

    events = shop.v1.events.list({"types": ["customer.discount.*"]}).data
    assert _told(events) == [
        ("customer.discount.created", third),
        ("customer.discount.deleted", first),
        ("customer.discount.created", second),
        ("customer.discount.created", first),
    ]
    assert events[0].request.id == events[1].request.id == changed.last_response.request_id
    assert events[1].request.idempotency_key == "mine"
    assert events[1].data.object["source"]["coupon"] == "A"
    assert events[1].data.object["subscription"] == made.id
    assert shop.v1.events.retrieve(events[1].id).type == "customer.discount.deleted"


def test_an_items_discounts_and_those_of_a_schedules_phase_are_told_as_well(shop: Shop) -> None:
    """Whichever object the request names."""
    shop.percent("A", 10)
    made = shop.subscribe()
    item = made["items"]["data"][0]["id"]
    shop.v1.subscription_items.update(item, {"discounts": [{"coupon": "A"}]})
    shop.v1.subscription_items.update(item, {"discounts": ""})
    schedule = shop.v1.subscription_schedules.create({"from_subscription": made.id})
    (phase,) = schedule.phases
    shop.v1.subscription_schedules.update(
        schedule.id,
        {
            "phases": [
                {
                    "items": [{"price": shop.price}],
                    "start_date": phase.start_date,
                    "end_date": phase.end_date,
                    "discounts": [{"coupon": "A"}],
                }
            ]
        },
    )

    events = shop.v1.events.list({"type": "customer.discount.*"}).data

    assert [event.type.rpartition(".")[2] for event in events] == ["created", "deleted", "created"]
    assert events[1].data.object["subscription_item"] == item


def test_lists_of_events_are_filtered_and_come_in_pages(shop: Shop) -> None:
    """What was refused or only previewed has none, nor has what the clock does."""
    shop.percent("A", 10, "repeating")
    shop.percent("B", 20)
    made = shop.subscribe(discounts=[{"coupon": "A"}])
    shop.v1.invoices.create_preview({"subscription": made.id, "discounts": [{"coupon": "B"}]})
    refused(lambda: shop.update(made.id, discounts=[{"coupon": "B"}, {"coupon": "B"}]))
    shop.advance(days=100)
    shop.update(made.id, discounts=[{"coupon": "B"}])

    (newest,) = shop.v1.events.list({"limit": 1}).data
    older = shop.v1.events.list({"starting_after": newest.id})

    assert newest.data.object["source"]["coupon"] == "B"
    assert [event.type for event in older.data] == ["customer.discount.created"]
    assert shop.v1.events.list({"type": "customer.discount.deleted"}).data == []
    assert shop.v1.events.list({"created": {"gt": newest.created}}).data == []
    refused(lambda: shop.v1.events.list({"type": "a", "types": ["b"]}))


def test_a_schedules_event_has_the_phases_as_they_were_before_the_request(shop: Shop) -> None:
    """All of a list that changed; of an object only the members that did; nothing of the rest."""
    schedule = shop.v1.subscription_schedules.create({"from_subscription": shop.subscribe().id})
    (phase,) = schedule.phases
    again = {
        "items": [{"price": shop.price, "quantity": 3}],
        "start_date": phase.start_date,
        "end_date": phase.end_date,
    }
    shop.v1.subscription_schedules.update(schedule.id, {"metadata": {"a": "1", "b": "2"}})
    changed = shop.v1.subscription_schedules.update(
        schedule.id, {"phases": [again], "metadata": {"b": "3", "c": "4"}}
    )
    shop.v1.subscription_schedules.release(schedule.id)

    last, first = shop.v1.events.list({"type": "subscription_schedule.updated"}).data

    assert last.request.id == changed.last_response.request_id
    assert last.data.object["phases"][0]["items"][0]["quantity"] == 3
    previous = last.data.previous_attributes.to_dict()
    assert previous.keys() == {"phases", "metadata"}
    assert previous["metadata"] == {"b": "2", "c": None}
    assert [each["items"][0]["quantity"] for each in previous["phases"]] == [1]
    assert first.data.previous_attributes.to_dict() == {"metadata": {"a": None, "b": None}}
