"""Whether the ledger and both systems say the same: read as for a new ledger, and compared."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from coupon_pipeline.assets.rebuilding import EVERYTHING, rebuild
from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.reuse import metadata_changes
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.ledger import Ledger, decisions, source
from coupon_pipeline.ledger.decisions import Attachment, RecordedCoupon
from coupon_pipeline.ledger.runs import Calls
from coupon_pipeline.ledger.verification import Discrepancy
from coupon_pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Agreement:
    """A comparison of the ledger with both systems."""

    coupons: int
    attachments: int
    calls: Calls
    discrepancies: tuple[Discrepancy, ...]

    def as_json(self) -> dict[str, object]:
        """For the document that `verify --json` prints."""
        return {
            "coupons": self.coupons,
            "attachments": self.attachments,
            "calls": asdict(self.calls),
        }


def compare_with_systems(settings: Settings, ledger: Ledger) -> Agreement:
    """Read both systems as for a new ledger, and tell where the ledger says something else.

    Raises:
        SalesforceError, StripeEdgeError, LedgerError, SettingsError, MappingError: one of the two
            could not be read.
    """
    with tempfile.TemporaryDirectory(prefix="coupon_pipeline-verify-") as folder:
        made_again = Ledger(Path(folder) / "ledger.duckdb")
        found = rebuild(settings, made_again)
        ours, theirs = _Held.read(ledger), _Held.read(made_again)
    discrepancies = (
        *_different_coupons(ours, theirs, frozenset(found.edited)),
        *_different_snapshots(ours, theirs),
        *_different_attachments(ours, theirs),
    )
    return Agreement(
        len(ours.coupons),
        sum(a.granted for a in ours.attachments.values()),
        found.calls,
        discrepancies,
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """What a ledger says about everything."""

    snapshots: Mapping[str, Snapshot]
    hashes: Mapping[str, tuple[str, str]]
    """Mapping hash and terms hash by snapshot id."""
    coupons: Mapping[str, RecordedCoupon]
    attachments: Mapping[str, Attachment]

    @classmethod
    def read(cls, ledger: Ledger) -> "_Held":
        with ledger.reading() as tx:
            source.select_orders(tx, EVERYTHING)
            snapshots = decisions.read_snapshots(tx)
            terms = decisions.read_terms(tx, snapshots)
            return cls(
                {s.snapshot_id: s for s in snapshots},
                {
                    snapshot_id: (derived.mapping_hash, derived.terms_hash)
                    for snapshot_id, derived in terms.items()
                    if isinstance(derived, DerivedCoupon)
                },
                {each.coupon_id: each for each in decisions.read_all_coupons(tx)},
                decisions.read_attachments(tx),
            )


def _different_coupons(ours: _Held, theirs: _Held, edited: frozenset[str]) -> Iterator[Discrepancy]:
    for its_id, coupon in sorted(ours.coupons.items()):
        there = theirs.coupons.get(its_id)
        if its_id in edited:
            yield _differs(its_id, f"Stripe coupon {its_id} was edited: its terms are others.")
        elif there is None:
            what = f"Stripe coupon {its_id} of quote coupon {coupon.quote_coupon_id} is not there."
            yield _differs(its_id, what)
        else:
            written = {k: v for k, v in coupon.metadata.items() if k in there.metadata}
            for key in sorted(metadata_changes(written, there.metadata, {})):
                what = f"Metadata {key} of Stripe coupon {its_id} is not what was written."
                yield _differs(its_id, what)
    for its_id in sorted(theirs.coupons.keys() - ours.coupons.keys()):
        what = f"Stripe coupon {its_id} was made by the pipeline, and the ledger does not know it."
        yield _differs(its_id, what)


def _different_snapshots(ours: _Held, theirs: _Held) -> Iterator[Discrepancy]:
    """Where proof in Salesforce says other terms; today's coupon proves nothing."""
    for snapshot_id, snapshot in theirs.snapshots.items():
        mine, found = ours.hashes.get(snapshot_id), theirs.hashes.get(snapshot_id)
        same_mapping = mine is not None and found is not None and mine[0] == found[0]
        proven = snapshot.evidence == "order_coupon"
        if proven and same_mapping and mine != found:
            what = (
                f"Order coupon {snapshot.evidence_record_id} of order {snapshot.scope.order_id} "
                "has other terms than those that were frozen."
            )
            yield _differs(snapshot.evidence_record_id, what)


def _different_attachments(ours: _Held, theirs: _Held) -> Iterator[Discrepancy]:
    for snapshot_id, snapshot in sorted(theirs.snapshots.items()):
        mine, found = ours.attachments.get(snapshot_id), theirs.attachments.get(snapshot_id)
        order_id = snapshot.scope.order_id
        granted = mine is not None and mine.granted
        if mine is not None and granted and found is None:
            what = (
                f"The ledger says that order {order_id} got its discount on {mine.target_id}, and "
                "no proof in Stripe says so."
            )
            yield _differs(order_id, what)
        elif found is not None and not granted:
            what = (
                f"A proof in Stripe says that order {order_id} got its discount on "
                f"{found.target_id}, and the ledger does not know it."
            )
            yield _differs(order_id, what)
        elif mine is not None and found is not None:
            if mine.coupon_id != found.coupon_id:
                what = (
                    f"The discount of order {order_id} on {found.target_id} comes from coupon "
                    f"{found.coupon_id}; the ledger says {mine.coupon_id}."
                )
                yield _differs(order_id, what)
            if found.code is not None and found.code != mine.code:
                what = f"The discount of order {order_id} on {mine.target_id}: {found.code}."
                yield _differs(order_id, what)


def _differs(record_id: str, what: str) -> Discrepancy:
    return Discrepancy("systems", record_id, what)
