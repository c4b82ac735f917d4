"""Orders that were activated on the days of a run, with their items."""

from collections import Counter

from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.live_money import refuse_copied_orders, refuse_unmeant_live_money
from coupon_pipeline.assets.run import Run, StageReport
from coupon_pipeline.assets.stage_asset import stage_asset
from coupon_pipeline.domain.mapping import CouponMapping
from coupon_pipeline.domain.mapping_check import UnfitMappingError, check_against
from coupon_pipeline.ledger import Identity, Ledger, source
from coupon_pipeline.ledger.runs import begin_run
from coupon_pipeline.ledger.spool import spool
from coupon_pipeline.salesforce import SalesforceEdge
from coupon_pipeline.settings import Settings


def extract_orders(
    run: Run, ledger: Ledger, salesforce: SalesforceEdge, settings: Settings, mapping: CouponMapping
) -> StageReport:
    """Read the selection's orders and items into the ledger.

    Raises:
        RunStopped: live money is not meant, or the org is a sandbox.
        MappingError: the org does not have what the mapping names.
        SalesforceError: the org cannot be read.
        LedgerError: the ledger belongs to another org or mode.
    """
    faults = check_against(mapping, salesforce.describe_for_mapping(mapping))
    if faults:
        raise UnfitMappingError(faults)
    refuse_unmeant_live_money(settings, meant=run.live or run.dry_run)
    refuse_copied_orders(salesforce.read_org(), settings)
    ledger.pin(Identity(org_id=salesforce.read_org().org_id, livemode=settings.stripe().live))
    report = StageReport("activated_orders", preview_columns=("order", "activated at", "target"))
    with spool() as pages:
        for page in salesforce.read_orders(run.selection):
            source.spool_orders(pages, page.orders, page.items)
            run.progress.advance("pages read")
            run.progress.advance("orders read", len(page.orders))
            run.progress.advance("items read", len(page.items))
            for order in page.orders:
                report.show((order.order_number, order.activated_at, order.stripe_id))
        spooled = pages.end()
        with ledger.transaction() as tx:
            begin_run(tx, run.run_id, run.selection, mapping.mapping_hash)
            source.record_orders(
                tx, run.selection, spooled["activated_orders"], spooled["order_items"]
            )
            orders = Counter(source.read_order_days(tx).values())
            items = source.count_by_day(tx, "items")
    for day in sorted(orders):
        report.count(day, "orders", orders[day])
        report.count(day, "items", items.get(day, 0))
    return report


@stage_asset(
    kinds={"salesforce", "duckdb"},
    service="salesforce",
)
def activated_orders(run: Run, at: Connection) -> StageReport:
    """Orders whose status code says Activated, by the UTC day of their activation.

    Read by set: two statements however many orders there are. An order that is no longer
    activated leaves the table.
    """
    return extract_orders(run, at.ledger, at.salesforce, at.settings, at.mapping)
