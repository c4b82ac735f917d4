"""Tables on Dagster's pages: names that people know, and a click to the record."""

import dagster as dg
import pytest

from coupon_pipeline.assets.record_links import RecordLinks
from coupon_pipeline.assets.shown_records import ShownRecords
from coupon_pipeline.automation.jobs import SYNC_JOB
from coupon_pipeline.definitions import definitions
from coupon_pipeline.domain.problems import RecordNames
from tests.world import World

ORDER, COUPON = "801000000000001AAA", "a1C000000000001AAA"
SHOWN = ShownRecords(
    RecordLinks("https://acme.my.salesforce.com", "https://dashboard.stripe.com"),
    RecordNames(orders={ORDER: "00000123"}, quote_coupons={COUPON: '"La|unch" 0007'}),
)


@pytest.mark.parametrize(
    ("text", "column", "shown"),
    [
        (ORDER, "order", f"[00000123](https://acme.my.salesforce.com/{ORDER})"),
        (COUPON, "", f'["La\\|unch" 0007](https://acme.my.salesforce.com/{COUPON})'),
        ("802000000000001AAA", "", "(https://acme.my.salesforce.com/802000000000001AAA)"),
        ("cp-1", "Stripe coupon", "[cp\\-1](https://dashboard.stripe.com/coupons/cp-1)"),
        ("sub_1", "target", "[sub\\_1](https://dashboard.stripe.com/subscriptions/sub_1)"),
        (
            "sub_1) [pay](https://evil.example",
            "",
            "sub_1%29%20%5Bpay%5D%28https%3A%2F%2Fevil.example)",
        ),
        ("Ten (2026)", "Stripe coupon", "(https://dashboard.stripe.com/coupons/Ten%20%282026%29)"),
        ("attached", "outcome", "attached"),
        ("", "Stripe coupon", ""),
    ],
)
def test_a_cell_is_a_name_and_a_link(text: str, column: str, shown: str) -> None:
    """Nobody knows an order by its id."""
    assert SHOWN.cell(text, column).endswith(shown)


def test_without_settings_of_an_account_nothing_is_linked() -> None:
    """The name is shown all the same."""
    assert ShownRecords(None, SHOWN.names).cell(ORDER) == "00000123"


def test_an_operator_reads_who_got_what_and_what_to_mend(
    world: World, instance: dg.DagsterInstance
) -> None:
    """On the page of the run, without a look into the ledger."""
    good = world.quote_coupon(Name__c="Launch")
    order = world.order(coupons=[good, world.bad_quote_coupon(Name__c="Odd", Percent_Off__c=101)])
    day = world.sandbox.clock.now().date().isoformat()
    tags = {"dagster/asset_partition_range_start": day, "dagster/asset_partition_range_end": day}

    result = (
        definitions()
        .resolve_job_def(SYNC_JOB)
        .execute_in_process(
            instance=instance,
            tags=tags,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    )

    shown = {
        event.asset_key.path[-1]: event.step_materialization_data.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }
    salesforce = world.sandbox.addresses.salesforce_url
    changes = str(shown["coupon_attachments"]["changes"].value)
    assert f"]({salesforce}/{order.order_id})" in changes
    assert '"Launch"' in changes
    assert f"]({salesforce}/{good})" in changes
    assert f"/test/subscriptions/{order.subscription_id})" in changes
    to_mend = str(shown["coupon_snapshots"]["problems_to_mend"].value)
    assert to_mend.startswith("| problem | what to do | records |")
    assert "coupon.percent" in to_mend.replace("\\", "")
    assert "`--order` is `order_ids`" in to_mend.splitlines()[-1]  # none of it needs a terminal
