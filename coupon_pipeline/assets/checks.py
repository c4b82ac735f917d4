"""What must be true of the tables. A check that blocks stands before a write that costs money.

Bad data of one order is no reason for a check to fail: it blocks its own record. A check fails
where the pipeline contradicts itself, or where somebody has to act.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial

import dagster as dg

from coupon_pipeline.assets.activated_orders import activated_orders
from coupon_pipeline.assets.carrying_out import is_outage
from coupon_pipeline.assets.coupon_attachments import coupon_attachments
from coupon_pipeline.assets.coupon_junctions import coupon_junctions
from coupon_pipeline.assets.coupon_snapshots import coupon_snapshots
from coupon_pipeline.assets.partitions import days_of_run
from coupon_pipeline.assets.run import now
from coupon_pipeline.assets.stripe_coupons import stripe_coupons
from coupon_pipeline.assets.write_permissions import missing_permissions
from coupon_pipeline.domain.proof import PROOF_KEY, Proof
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.domain.targets import ScheduleState, TargetGone, TargetState
from coupon_pipeline.ledger import Ledger, Transaction, inspection, source
from coupon_pipeline.ledger.inspection import Finding, GrantedOn
from coupon_pipeline.ledger.problems import read_open_problems
from coupon_pipeline.salesforce import SalesforceEdge
from coupon_pipeline.settings import Settings
from coupon_pipeline.stripe_api import Job, StripeEdge
from coupon_pipeline.stripe_api.targets import read_target

_SHOWN = 20
_TARGETS_READ = 50
_LAST_DAY = date(9999, 12, 31)
_ANSWER_IS_LOST_AFTER = timedelta(hours=1)


@dg.asset_check(asset=activated_orders)
def salesforce_permissions_are_in_place(
    salesforce: dg.ResourceParam[SalesforceEdge], settings: dg.ResourceParam[Settings]
) -> dg.AssetCheckResult:
    """The user may read what is needed and write what the settings allow."""
    missing = missing_permissions(salesforce.describe(), settings)
    return dg.AssetCheckResult(
        passed=not missing,
        description="; ".join(missing) or "All are there.",
        metadata={"missing": len(missing)},
    )


@dg.asset_check(asset=coupon_junctions, description="Each association became a snapshot.")
def every_association_is_accounted_for(
    context: dg.AssetCheckExecutionContext, ledger: dg.ResourceParam[Ledger]
) -> dg.AssetCheckResult:
    raise NotImplementedError
