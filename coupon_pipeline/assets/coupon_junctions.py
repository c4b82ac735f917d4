"""Which coupons belong to those orders: associations, order coupons, and the coupons' versions."""

from datetime import datetime

from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.run import Run, StageReport
from coupon_pipeline.assets.stage_asset import stage_asset
from coupon_pipeline.domain.mapping import CouponMapping
from coupon_pipeline.domain.records import CouponVersion
from coupon_pipeline.domain.versions import is_edit
from coupon_pipeline.ledger import Ledger, source
from coupon_pipeline.ledger.spool import spool
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
    report = StageReport(
        "coupon_junctions", preview_columns=("level", "parent", "quote coupon", "created at")
    )
    changed: dict[str, CouponVersion] = {}
    watermark: datetime | None = None
    with spool() as pages:
        for page in salesforce.read_junctions(run.selection, since, paths):
            source.spool_junctions(pages, page.associations, page.order_coupons)
            run.progress.advance("pages read")
            run.progress.advance("quote coupons read", len(page.coupon_versions))
            run.progress.advance("associations read", len(page.associations))
            run.progress.advance("order coupons read", len(page.order_coupons))
            changed |= {version.quote_coupon_id: version for version in page.coupon_versions}
            watermark = max(filter(None, (watermark, page.watermark)), default=None)
            for a in page.associations:
                report.show((a.level, a.parent_id, a.quote_coupon_id, a.created_at))
        spooled = pages.end()
        with ledger.transaction() as tx:
            source.record_junctions(
                tx, run.selection, spooled["coupon_junctions"], spooled["order_coupons"]
            )
            versions = source.record_coupons(tx, list(changed.values()), is_edit)
            if watermark is not None:
                source.record_watermark(tx, source.Watermark(watermark, reading))
            unread = source.read_unread_coupons(tx)
            associations = source.count_by_day(tx, "associations")
    if unread:
        missing = salesforce.read_quote_coupons(unread, paths)
        with ledger.transaction() as tx:
            versions += source.record_coupons(tx, missing, is_edit)
    report.totals["coupon_versions"] = versions
    for day, number in associations.items():
        report.count(day, "associations", number)
    return report


@stage_asset(
    kinds={"salesforce", "duckdb"},
    deps=["activated_orders", "coupon_mapping"],
    service="salesforce",
)
def coupon_junctions(run: Run, at: Connection) -> StageReport:
    """Associations of those orders' quotes and lines, their order coupons, and coupon versions.

    Deleted associations are read too: deleting one later does not take back what was signed.
    """
    return extract_junctions(run, at.ledger, at.salesforce, at.mapping)
