"""What differs between the ledger and both systems, and who may mend it.

Two accounts of everything are compared: the ledger's, and the one that reading both systems gives.
What the pipeline may not do itself is said to be for a person: it deletes no coupon, makes none in
the place of one that ended, touches no discount of others, and grants nothing a second time.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from coupon_pipeline.domain.audit_records import (
    added_order_coupons,
    differing_order_coupons,
    differing_orders,
    differing_quote_coupons,
    differing_snapshots,
    differing_sync_records,
)
from coupon_pipeline.domain.audit_targets import (
    differing_targets,
    lacking_in_later_phases,
    named_and_gone,
    overwritten_by_us,
)
from coupon_pipeline.domain.difference import Difference, Held, HeldDiscount, Kind, Mender, Seen
from coupon_pipeline.domain.reuse import StripeCoupon, metadata_changes, terms_of_stripe
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.terms import differences as differing_terms


def differences(ours: Held, theirs: Held, seen: Seen, now: datetime) -> tuple[Difference, ...]:
    """Every difference once: coupons, then orders, then what is on their targets.

    Args:
        ours: what the ledger says.
        theirs: what a new ledger says that was made from both systems.
        seen: what was read in Stripe for it.
        now: the time, by which a coupon has expired or not.
    """
    return (
        *_coupons(ours, theirs, seen),
        *_ended_coupons(ours, seen, now),
        *differing_orders(ours, theirs),
        *differing_snapshots(ours, theirs),
        *differing_order_coupons(ours, theirs),
        *added_order_coupons(ours, theirs),
        *differing_quote_coupons(ours, theirs),
        *differing_sync_records(ours, theirs),
        *_discounts(ours, theirs, seen),
        *differing_targets(ours, theirs, seen, int(now.timestamp())),
        *lacking_in_later_phases(ours, theirs, seen),
        *named_and_gone(ours, seen, int(now.timestamp())),
        *overwritten_by_us(seen),
    )


def _coupons(ours: Held, theirs: Held, seen: Seen) -> Iterator[Difference]:
    for its_id, coupon in sorted(ours.coupons.items()):
        there = theirs.coupons.get(its_id)
        about = {"coupon": its_id}
        if its_id in seen.edited:
            terms = terms_of_stripe(seen.coupons[its_id])
            told = "; ".join(map(str, differing_terms(coupon.terms, terms)))
            yield Difference(
                "edited",
                its_id,
                "Stripe coupon {coupon} was edited: its terms are others.",
                "Put it back in Stripe's dashboard ({differences}). Until then no new discount is "
                "made from it.",
                Mender.PERSON,
                about | {"differences": told},
                quote_coupon_id=coupon.quote_coupon_id,
            )
        elif there is None or its_id not in seen.coupons:
            yield Difference(
                "deleted",
                its_id,
                "Stripe coupon {coupon} of {quote_coupon} is not there.",
                "Customers keep the discounts that they have. For new ones somebody has to make "
                "another quote coupon in Salesforce: the pipeline does not make this one again.",
                Mender.PERSON,
                about,
                quote_coupon_id=coupon.quote_coupon_id,
            )
        else:
            written = {k: v for k, v in coupon.metadata.items() if k in there.metadata}
            for key in sorted(metadata_changes(written, there.metadata, {})):
                yield Difference(
                    "edited",
                    its_id,
                    "Metadata {key} of Stripe coupon {coupon} is not what was written.",
                    "Run coupon-pipeline rebuild-ledger, which takes over what is there; the next "
                    "sync writes what it should be.",
                    Mender.REBUILD,
                    about | {"key": key},
                    quote_coupon_id=coupon.quote_coupon_id,
                )
    promised = {
        (s.quote_coupon_id, theirs.hashes[i][1])
        for i, s in theirs.snapshots.items()
        if i in theirs.hashes
    }
    for its_id, coupon in sorted(theirs.coupons.items()):
        if its_id not in seen.coupons:
            continue
        if its_id not in ours.coupons:
            yield Difference(
                "extra",
                its_id,
                "Stripe coupon {coupon} was made by the pipeline, and the ledger does not know it.",
                "Run coupon-pipeline rebuild-ledger; it is found again as well by the next sync "
                "that needs it.",
                Mender.REBUILD,
                {"coupon": its_id},
                quote_coupon_id=coupon.quote_coupon_id,
            )
        elif coupon.key not in promised and not _is_granted(ours, its_id):
            yield Difference(
                "orphaned",
                its_id,
                "Stripe coupon {coupon} of {quote_coupon} serves no activated order any more.",
                "Nothing has to be done. The pipeline deletes no coupon; who wants it gone deletes "
                "it in Stripe.",
                Mender.NOBODY,
                {"coupon": its_id},
                quote_coupon_id=coupon.quote_coupon_id,
                contradicts_ledger=False,
            )


def _is_granted(held: Held, coupon_id: str) -> bool:
    return any(d.granted and d.coupon_id == coupon_id for d in held.discounts.values())


def _ended_coupons(ours: Held, seen: Seen, now: datetime) -> Iterator[Difference]:
    """Coupons from which Stripe makes no discount any more while somebody is owed one.

    Or that were used up faster than the ledger knows of.
    """
    granted = Counter(d.coupon_id for d in ours.discounts.values() if d.granted)
    waiting: Counter[tuple[str, str]] = Counter()
    for snapshot_id, snapshot in ours.snapshots.items():
        discount = ours.discounts.get(snapshot_id)
        if snapshot_id in ours.hashes and not (discount and discount.granted):
            waiting[snapshot.quote_coupon_id, ours.hashes[snapshot_id][1]] += 1
    for its_id, coupon in sorted(ours.coupons.items()):
        there = seen.coupons.get(its_id)
        why = None if there is None else _ended(there, now)
        used = 0 if there is None else there.times_redeemed
        if why is None or not (waiting[coupon.key] or used > granted[its_id]):
            continue
        yield Difference(
            "exhausted",
            its_id,
            "Stripe coupon {coupon} of {quote_coupon} {why}; it was redeemed {used} times, {known} "
            "of them are known to the ledger, and {waiting} more are owed.",
            "Stripe lets nobody raise the limits of a coupon: somebody has to make another quote "
            "coupon in Salesforce for those who still wait.",
            Mender.PERSON if waiting[coupon.key] else Mender.NOBODY,
            {
                "coupon": its_id,
                "why": why,
                "used": str(used),
                "known": str(granted[its_id]),
                "waiting": str(waiting[coupon.key]),
            },
            quote_coupon_id=coupon.quote_coupon_id,
            contradicts_ledger=False,
        )


def _ended(coupon: StripeCoupon, now: datetime) -> str | None:
    limit = coupon.max_redemptions
    if limit is not None and coupon.times_redeemed >= limit:
        return f"is used up (limit {limit})"
    if coupon.redeem_by is not None and coupon.redeem_by <= int(now.timestamp()):
        return f"expired at {datetime.fromtimestamp(coupon.redeem_by, UTC):%Y-%m-%d %H:%M} UTC"
    return None if coupon.valid else "is not valid"


def _discounts(ours: Held, theirs: Held, seen: Seen) -> Iterator[Difference]:
    """Grants of the one account that the other has otherwise or not at all."""
    for snapshot_id, snapshot in sorted({**ours.snapshots, **theirs.snapshots}.items()):
        mine, found = ours.discounts.get(snapshot_id), theirs.discounts.get(snapshot_id)
        if {found and found.target_id, mine and mine.target_id} & seen.unread:
            continue
        if mine is not None and mine.granted and snapshot_id not in theirs.snapshots:
            yield _left_behind(mine, snapshot, theirs)
        else:
            yield from _discount(mine, found, snapshot)


def _left_behind(mine: HeldDiscount, snapshot: Snapshot, theirs: Held) -> Difference:
    activated = snapshot.scope.order_id in theirs.targets
    return Difference(
        "orphaned",
        snapshot.scope.order_id,
        "{order} got a discount on {target} and no record in Salesforce speaks of it any more."
        if activated
        else "{order} got a discount on {target} and is not activated any more.",
        "What was granted stays. Who decides that it ends takes it away in Stripe.",
        Mender.PERSON,
        {"target": mine.target_id or "no target"},
        order_id=snapshot.scope.order_id,
        quote_coupon_id=snapshot.quote_coupon_id,
        contradicts_ledger=False,
    )


def _discount(
    mine: HeldDiscount | None, found: HeldDiscount | None, snapshot: Snapshot
) -> Iterator[Difference]:
    about = {
        "mine": (mine and mine.target_id) or "",
        "found": (found and found.target_id) or "",
        "coupon": (mine and mine.coupon_id) or "",
        "found_coupon": (found and found.coupon_id) or "",
        "code": (found and found.code) or "",
    }

    def told(kind: Kind, sentence: str, remedy: str, mender: Mender) -> Difference:
        return Difference(
            kind,
            snapshot.scope.order_id,
            sentence,
            remedy,
            mender,
            about,
            order_id=snapshot.scope.order_id,
            quote_coupon_id=snapshot.quote_coupon_id,
        )

    if mine is not None and mine.granted and found is None:
        yield told(
            "missing",
            "The ledger says that {order} got its discount on {mine}, and no proof in Stripe says "
            "so.",
            "Nothing is granted twice as long as there is this ledger. Put the metadata "
            "coupon_pipeline of {mine} back: its value is in the last write to it, which "
            "coupon-pipeline evidence --out writes.csv exports.",
            Mender.PERSON,
        )
    elif found is not None and found.granted and not (mine and mine.granted):
        yield told(
            "extra",
            "A proof in Stripe says that {order} got its discount on {found}, and the ledger does "
            "not know it.",
            "Run coupon-pipeline sync --order {order_id}: it believes the proof and writes nothing "
            "to Stripe for it.",
            Mender.SYNC,
        )
    elif mine is not None and found is not None:
        if mine.coupon_id != found.coupon_id:
            yield told(
                "edited",
                "The discount of {order} on {found} comes from coupon {found_coupon}; the ledger "
                "says {coupon}.",
                "Somebody put another coupon in its place. Put {coupon} back in Stripe, or run "
                "coupon-pipeline rebuild-ledger to take over what is there.",
                Mender.PERSON,
            )
        if found.code is not None and found.code != mine.code:
            removed = found.code == "attachment.removed_by_hand"
            yield told(
                "deleted" if removed else "edited",
                "The discount of {order} on {mine}: {code}.",
                "It is not granted again. If it is still owed, somebody has to add coupon {coupon} "
                "to {mine} in Stripe."
                if removed
                else "docs/problems.md says what {code} means and what to do.",
                Mender.PERSON,
            )
