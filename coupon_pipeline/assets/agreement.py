"""Whether the ledger and both systems say the same: read as for a new ledger, and compared."""

import tempfile
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from coupon_pipeline.assets.lacking_discounts import find_lacking
from coupon_pipeline.assets.overwritten_changes import find_overwritten
from coupon_pipeline.assets.rebuilding import EVERYTHING, read_systems
from coupon_pipeline.assets.resources import open_stripe
from coupon_pipeline.assets.run import now
from coupon_pipeline.domain.audit import differences
from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.difference import Difference, Held, HeldDiscount, HeldSyncRecord, Seen
from coupon_pipeline.domain.overwritten import Overwritten
from coupon_pipeline.domain.problems import Problem, RecordNames
from coupon_pipeline.domain.reuse import KnownCoupon
from coupon_pipeline.ledger import Ledger, decisions, source
from coupon_pipeline.ledger.problems import read_names, read_sync_records
from coupon_pipeline.ledger.runs import Calls
from coupon_pipeline.ledger.verification import Discrepancy
from coupon_pipeline.settings import Settings
from coupon_pipeline.stripe_api import StripeEdgeError


@dataclass(frozen=True, slots=True)
class Agreement:
    """A comparison of the ledger with both systems."""

    orders: int
    coupons: int
    attachments: int
    calls: Calls
    differences: tuple[Difference, ...]
    names: RecordNames
    """What the records of the differences are called."""
    unread: tuple[str, ...]
    """Targets that could not be read just now: nothing is said of them."""
    problems: tuple[Problem, ...] = ()
    """What else nothing is said of, and why."""

    @property
    def discrepancies(self) -> tuple[Discrepancy, ...]:
        """Where the ledger says something else than the systems."""
        return tuple(
            Discrepancy("systems", each.record_id, each.what(RecordNames()))
            for each in self.differences
            if each.contradicts_ledger
        )

    def as_json(self) -> dict[str, object]:
        """For the document that `verify --json` prints."""
        return {
            "coupons": self.coupons,
            "attachments": self.attachments,
            "calls": asdict(self.calls),
            "unread_targets": list(self.unread),
        }


def compare_with_systems(settings: Settings, ledger: Ledger) -> Agreement:
    """Read both systems as for a new ledger, and tell every difference.

    Raises:
        SalesforceError, StripeEdgeError, LedgerError, SettingsError, MappingError: one of the two
            could not be read.
    """
    with tempfile.TemporaryDirectory(prefix="coupon_pipeline-verify-") as folder:
        made_again = Ledger(Path(folder) / "ledger.duckdb")
        read = read_systems(settings, made_again)
        overwritten, problems, reads = _look_for_overwritten(settings, ledger)
        ours, theirs = _held(ledger), _held(made_again)
        states = tuple(read.targets.seen.values())
        seen = Seen(
            read.coupons,
            states,
            frozenset(read.rebuilt.edited),
            read.targets.unread,
            overwritten,
            find_lacking(settings, ledger, made_again, states, (ours.targets, theirs.targets)),
        )
        found = differences(ours, theirs, seen, now())
        names = _names(ledger, made_again, found)
    calls = read.rebuilt.calls
    return Agreement(
        len(theirs.targets),
        len(ours.coupons),
        sum(each.granted for each in ours.discounts.values()),
        replace(calls, stripe_reads=calls.stripe_reads + reads),
        found,
        names,
        tuple(sorted(read.targets.unread)),
        problems,
    )


def _look_for_overwritten(
    settings: Settings, ledger: Ledger
) -> tuple[tuple[Overwritten, ...], tuple[Problem, ...], int]:
    """What our own writes took away, why that cannot be told, and how many reads it took.

    The key need not have the permission: all else is told without it.
    """
    with closing(open_stripe(settings)) as stripe:
        try:
            found = find_overwritten(ledger, stripe)
        except StripeEdgeError as error:
            unread = Problem("stripe.events_unread", {"message": error.message})
            return (), (unread,), stripe.calls.reads
        return found, (), stripe.calls.reads


def _names(ledger: Ledger, made_again: Ledger, found: tuple[Difference, ...]) -> RecordNames:
    """As the systems call them now; what is gone there, as the ledger remembers it."""
    wanted = [(each.order_id, None, each.quote_coupon_id) for each in found]
    with ledger.reading() as tx:
        before = read_names(tx, wanted)
    with made_again.reading() as tx:
        today = read_names(tx, wanted)
    return RecordNames(
        {**before.orders, **today.orders},
        {**before.order_items, **today.order_items},
        {**before.quote_coupons, **today.quote_coupons},
    )


def _held(ledger: Ledger) -> Held:
    """What a ledger says about everything."""
    with ledger.reading() as tx:
        source.select_orders(tx, EVERYTHING)
        snapshots = decisions.read_snapshots(tx)
        return Held(
            targets={order.order_id: order.target_id for order in source.read_orders(tx)},
            snapshots={s.snapshot_id: s for s in snapshots},
            hashes={
                snapshot_id: (derived.mapping_hash, derived.terms_hash)
                for snapshot_id, derived in decisions.read_terms(tx, snapshots).items()
                if isinstance(derived, DerivedCoupon)
            },
            coupons={
                each.coupon_id: KnownCoupon(
                    each.quote_coupon_id,
                    each.terms_hash,
                    each.coupon_id,
                    each.origin,
                    each.terms,
                    each.metadata,
                    each.first_order_id,
                    each.recorded_at,
                )
                for each in decisions.read_all_coupons(tx)
            },
            discounts={
                snapshot_id: HeldDiscount(made.granted, made.coupon_id, made.target_id, made.code)
                for snapshot_id, made in decisions.read_attachments(tx).items()
            },
            order_coupons={each.order_coupon_id: each for each in source.read_order_coupons(tx)},
            quote_coupons={each.quote_coupon_id: each for each in source.read_quote_coupons(tx)},
            sync_records={
                compound_id: HeldSyncRecord(each.order_id, each.status, each.message)
                for compound_id, each in read_sync_records(tx).items()
            },
        )
