"""`problems` leads to where something is mended, and `retry` sees that it was."""

import csv
import io
from typing import Any, cast

from tests.cli.commands import Command
from tests.world import World


def test_a_mended_record_is_tried_again_from_a_fresh_reading(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """Filtered by code, exported with links, and gone once somebody has put it right."""
    waiting = world.order(coupons=[world.quote_coupon()], synced=False)
    blocked = world.order(coupons=[world.bad_quote_coupon(Name__c="=HYPERLINK(1)")])
    command("sync", *days)

    listed = command("problems", "--code", "target", "--json")
    (problem,) = cast("list[dict[str, Any]]", listed.document["problems"])
    assert (listed.status, problem["code"]) == (0, "target.none_yet")
    assert problem["salesforce_link"].endswith(waiting.order_id)
    told = command("problems", "--effect", "blocked", "--id", blocked.order_id[:15], "--csv")
    assert told.status == 3
    rows = list(csv.DictReader(io.StringIO(told.out)))
    assert {row["order_id"] for row in rows} == {blocked.order_id}
    assert rows[0]["stripe_link"].endswith(f"/subscriptions/{blocked.subscription_id}")
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())

    billed = world.subscribe_later(waiting)
    done = command("retry", waiting.order_id, "--json")
    assert (done.status, done.document["orders"]) == (0, 1)
    assert world.discounted(billed.subscription_id) == [(10, None)]
    again = command("retry", "--json")
    assert (again.status, again.document["orders"]) == (3, 1)
