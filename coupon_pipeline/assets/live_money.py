"""Live money: what has to be said before a run may write with a live key."""

from coupon_pipeline.assets.run import RunStopped
from coupon_pipeline.domain.problems import Problem
from coupon_pipeline.salesforce import Org
from coupon_pipeline.settings import Settings


def refuse_unmeant_live_money(settings: Settings, *, meant: bool) -> None:
    """End what would write with a live key although the flag is asked for and not given.

    Raises:
        RunStopped: before anything is written.
    """
    wants_flag = settings.coupon_pipeline_live == "with_flag"
    if settings.stripe().live and wants_flag and not meant:
        raise RunStopped(Problem("live.flag_missing"))


def refuse_copied_orders(org: Org, settings: Settings) -> None:
    """End a run with a live key in a sandbox org: its orders are copies of real ones.

    Raises:
        RunStopped: before anything is read that a write could rest on.
    """
    if settings.stripe().live and org.is_sandbox:
        raise RunStopped(Problem("live.sandbox_org", {"org": f"{org.name} ({org.org_id})"}))
