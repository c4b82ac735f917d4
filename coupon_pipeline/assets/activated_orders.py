"""Orders that were activated on the days of a run, with their items."""

import dagster as dg

from coupon_pipeline.assets.partitions import activation_days
from coupon_pipeline.assets.reporting import record_stage, run_of
from coupon_pipeline.assets.resources import RunOptions
from coupon_pipeline.assets.run import Run, StageReport
from coupon_pipeline.domain.mapping import CouponMapping
from coupon_pipeline.domain.mapping_check import UnfitMappingError, check_against
from coupon_pipeline.ledger import Identity, Ledger, source
from coupon_pipeline.ledger.runs import begin_run
from coupon_pipeline.salesforce import SalesforceEdge
from coupon_pipeline.settings import Settings


def extract_orders(
    run: Run, ledger: Ledger, salesforce: SalesforceEdge, settings: Settings, mapping: CouponMapping
) -> StageReport:
    """Read the selection's orders and items into the ledger.

    Raises:
        MappingError: the org does not have what the mapping names.
        SalesforceError: the org cannot be read.
        LedgerError: the ledger belongs to another org or mode.
    """
    faults = check_against(mapping, salesforce.describe_for_mapping(mapping))
    if faults:
        raise UnfitMappingError(faults)
    ledger.pin(Identity(org_id=salesforce.read_org().org_id, livemode=settings.stripe().live))
    read = salesforce.read_orders(run.selection)
    with ledger.transaction() as tx:
        begin_run(tx, run.run_id, run.selection, mapping.mapping_hash)
        source.record_orders(tx, run.selection, read.orders, read.items)
    report = StageReport("activated_orders", preview_columns=("order", "activated at", "target"))
    days = {order.order_id: order.activation_day for order in read.orders}
    for order in read.orders:
        report.count(order.activation_day, "orders")
        report.show((order.order_number, order.activated_at, order.stripe_id))
    for item in read.items:
        if item.order_id in days:
            report.count(days[item.order_id], "items")
    return report


@dg.asset(
    partitions_def=activation_days,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="salesforce",
    kinds={"salesforce", "duckdb"},
    owners=["team:revenue-operations"],
    pool="salesforce",
)
def activated_orders(
    context: dg.AssetExecutionContext,
    options: RunOptions,
    ledger: dg.ResourceParam[Ledger],
    salesforce: dg.ResourceParam[SalesforceEdge],
    settings: dg.ResourceParam[Settings],
    mapping: dg.ResourceParam[CouponMapping],
) -> None:
    """Orders whose status code says Activated, by the UTC day of their activation.

    Read by set: two statements however many orders there are. An order that is no longer
    activated leaves the table.
    """
    run = run_of(context, options)
    with record_stage(context, run, ledger, salesforce=salesforce) as stage:
        stage.report = extract_orders(run, ledger, salesforce, settings, mapping)
