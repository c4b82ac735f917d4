"""What keeps somebody from harming themselves by accident with a live key."""

from tests.cli.commands import Command
from tests.world import World


def test_a_cap_stops_the_run_before_the_first_write_beyond_it_and_a_flag_raises_it(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """The plan says it beforehand; what was within the cap is kept."""
    order = world.order(coupons=[world.quote_coupon(Amount_Off__c=50), world.quote_coupon()])
    before = world.state_of_both()
    world.setting("COUPON_PIPELINE_MAX_COUPONS", "1")

    planned = command("plan", *days, "--json").document
    assert [s["code"] for s in planned["stops"]] == ["cap.coupons"]  # type: ignore[attr-defined]  # a list in JSON
    stopped = command("sync", *days, "--json")
    assert (stopped.status, stopped.error_code) == (1, "cap.coupons")
    assert "--max-coupons" in stopped.err
    assert world.state_of_both() == before

    stopped = command("sync", *days, "--max-coupons", "2", "--max-amount", "usd=49.99", "--json")
    assert (stopped.status, stopped.error_code) == (1, "cap.amount")
    assert (len(world.coupons()), world.discounted(order.subscription_id)) == (2, [])

    assert command("sync", *days, "--max-amount", "usd=50").status == 0
    assert world.discounted(order.subscription_id) == [(None, 5000), (10, None)]


def test_live_keys_need_the_setting_and_where_it_says_so_the_flag(
    world: World, command: Command, days: tuple[str, ...]
) -> None:
    """And never a sandbox org, whose orders are copies. A plan may always be looked at."""
    world.order(coupons=[world.quote_coupon()], synced=False)
    world.setting("STRIPE_API_KEY", world.sandbox.stripe.live_api_key)
    world.setting("COUPON_PIPELINE_LIVE", "with_flag")
    before = world.state_of_both()

    refused = command("sync", *days, "--json")
    assert (refused.status, refused.error_code) == (1, "live.flag_missing")
    assert command("plan", *days).status == 4
    assert world.state_of_both() == before

    _in_a_sandbox_org(world, is_sandbox=True)
    copied = command("sync", *days, "--live", "--json")
    assert (copied.status, copied.error_code) == (1, "live.sandbox_org")
    _in_a_sandbox_org(world, is_sandbox=False)
    done = command("sync", *days, "--live", "--json")
    assert done.status == 0
    assert done.document["orders"] == 1


def _in_a_sandbox_org(world: World, *, is_sandbox: bool) -> None:
    table = world.sandbox.salesforce.store["Organization"]

    def change() -> None:
        (org,) = table.live_rows()
        table.put({**org, "IsSandbox": is_sandbox})

    world.sandbox.run_on_loop(change)
