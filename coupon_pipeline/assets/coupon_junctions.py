"""Which coupons belong to those orders: associations, order coupons, and the coupons' versions."""

from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.run import Run, StageReport
from coupon_pipeline.assets.stage_asset import stage_asset
from coupon_pipeline.domain.mapping import CouponMapping
from coupon_pipeline.domain.versions import is_edit
from coupon_pipeline.ledger import Ledger, source
from coupon_pipeline.salesforce import SalesforceEdge


def extract_junctions(
    run: Run, ledger: Ledger, salesforce: SalesforceEdge, mapping: CouponMapping
) -> StageReport:
    """Read associations, order coupons and changed quote coupons into the ledger.

    Quote coupons are read by change, not by order: an edit between two orders has to be known
    even when no order at hand uses the coupon. Another set of mapped paths reads them all again.

    Raises:
        SalesforceError: the org cannot be read.
    """
    paths = mapping.paths
    reading = ",".join(mapping.relationship_paths())
    with ledger.reading() as tx:
        before = source.read_watermark(tx)
    since = before.read_up_to if before is not None and before.reading == reading else None
    read = salesforce.read_junctions(run.selection, since, paths)
    with ledger.transaction() as tx:
        source.record_junctions(tx, run.selection, read.associations, read.order_coupons)
        versions = source.record_coupons(tx, read.coupon_versions, is_edit)
        if read.watermark is not None:
            source.record_watermark(tx, source.Watermark(read.watermark, reading))
        unread = source.read_unread_coupons(tx)
        orders = source.read_orders(tx)
        items = source.read_items(tx)
    if unread:
        missing = salesforce.read_quote_coupons(unread, paths)
        with ledger.transaction() as tx:
            versions += source.record_coupons(tx, missing, is_edit)
    report = StageReport(
        "coupon_junctions", preview_columns=("level", "parent", "quote coupon", "created at")
    )
    report.totals["coupon_versions"] = versions
    days = {order.quote_id: order.activation_day for order in orders if order.quote_id}
    of_order = {order.order_id: order.activation_day for order in orders}
    days |= {i.quote_line_id: of_order[i.order_id] for i in items if i.quote_line_id}
    for association in read.associations:
        if association.parent_id in days:
            report.count(days[association.parent_id], "associations")
        report.show(
            (
                association.level,
                association.parent_id,
                association.quote_coupon_id,
                association.created_at,
            )
        )
    return report


@stage_asset(
    group="salesforce",
    kinds={"salesforce", "duckdb"},
    deps=["activated_orders", "coupon_mapping"],
    service="salesforce",
)
def coupon_junctions(run: Run, at: Connection) -> StageReport:
    """Associations of those orders' quotes and lines, their order coupons, and coupon versions.

    Deleted associations are read too: deleting one later does not take back what was signed.
    """
    return extract_junctions(run, at.ledger, at.salesforce, at.mapping)
