"""What the assets work with, made from settings."""

from dataclasses import dataclass
from pathlib import Path

from coupon_pipeline.assets.run import RunStopped
from coupon_pipeline.domain.mapping import CouponMapping, MappingError, parse_mapping
from coupon_pipeline.domain.problems import Problem
from coupon_pipeline.domain.saved_plan import SavedPlan
from coupon_pipeline.ledger import Ledger, LedgerError
from coupon_pipeline.ledger.connection import REBUILD
from coupon_pipeline.salesforce import Pacing, SalesforceEdge, Timeouts
from coupon_pipeline.settings import Settings, SettingsError
from coupon_pipeline.stripe_api import Retries, StripeEdge
from coupon_pipeline.stripe_api.limits import Limits
from coupon_pipeline.stripe_api.transport import is_loopback


def read_plan(path: Path) -> SavedPlan:
    """The plan of a file.

    Raises:
        RunStopped: it is not a plan, or was changed after it was saved.
    """
    try:
        saved = SavedPlan.from_text(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RunStopped(Problem("plan.unreadable", {"reason": str(error)})) from error
    if isinstance(saved, Problem):
        raise RunStopped(saved)
    return saved


def open_ledger(settings: Settings) -> Ledger:
    """The ledger; its file is opened by each transaction."""
    return Ledger(settings.ledger_path)


def open_existing_ledger(settings: Settings) -> Ledger:
    """The same, for what makes no sense without one.

    Raises:
        LedgerError: there is no ledger yet, or it is lost.
    """
    ledger = open_ledger(settings)
    if not ledger.exists:
        raise LedgerError(
            "ledger.missing", f"There is no ledger {ledger.path}.", f"Run sync, or: {REBUILD}"
        )
    return ledger


def open_salesforce(
    settings: Settings, *, pacing: Pacing | None = None, timeouts: Timeouts | None = None
) -> SalesforceEdge:
    """The org; logs in at the first request."""
    account = settings.salesforce()
    return SalesforceEdge(
        account.instance_url,
        account.login,
        namespace=account.namespace,
        api_version=account.api_version,
        pacing=pacing,
        timeouts=timeouts,
        quota_share=settings.coupon_pipeline_salesforce_quota_share,
    )


def open_stripe(settings: Settings, *, retries: Retries | None = None) -> StripeEdge:
    """The Stripe account; connects at the first request."""
    account = settings.stripe()
    return StripeEdge(
        account.api_key,
        base_url=account.api_base,
        account=account.account,
        limits=limits_of(settings),
        retries=retries,
    )


def limits_of(settings: Settings) -> Limits | None:
    """Those of the settings; None, so that a stand-in on this machine has none, unless one is set.

    Documented for a live account are 100 requests a second, for a test account 25
    (https://docs.stripe.com/rate-limits).
    """
    account = settings.stripe()
    rate = settings.coupon_pipeline_stripe_per_second
    if rate is None and is_loopback(account.api_base):
        return None
    return Limits(
        account_per_second=rate or (100.0 if account.live else 25.0),
        endpoint_per_second=settings.coupon_pipeline_stripe_endpoint_per_second,
        left_to_others=settings.coupon_pipeline_stripe_left_to_others,
    )


def read_mapping(settings: Settings) -> CouponMapping:
    """The mapping in force.

    Raises:
        SettingsError: the file that the setting names cannot be read.
        MappingError: what is in it is not a mapping.
    """
    path = settings.coupon_pipeline_mapping
    if path is None:
        return parse_mapping(None, metadata_prefix=settings.coupon_pipeline_metadata_prefix)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            "COUPON_PIPELINE_MAPPING",
            f"names {path}, which cannot be read: {error}.",
            "Give the path of a TOML file in UTF-8, or unset it for the one-to-one mapping.",
        ) from error
    return parse_mapping(text, metadata_prefix=settings.coupon_pipeline_metadata_prefix)


@dataclass(frozen=True, slots=True)
class MappingRead:
    """The mapping when the graph was loaded, or why there is none."""

    version: str
    """The mapping's hash; another word where the file cannot be used."""
    fault: str | None = None

    def describe(self, description: str) -> str:
        """The description of the mapping's asset, with what is wrong at its head."""
        if self.fault is None:
            return description
        return f"**The mapping file cannot be used:** {self.fault}\n\n{description}"


def try_mapping(settings: Settings) -> MappingRead:
    """The mapping for the graph, which must open whatever is in the file.

    A run that needs the mapping fails with the same sentence.
    """
    try:
        return MappingRead(read_mapping(settings).mapping_hash)
    except (SettingsError, MappingError) as error:
        return MappingRead("unreadable", str(error))
