"""What targets say of discounts that the ledger does not know, or knows as they were before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from coupon_pipeline.assets.decision_book import DecisionBook
from coupon_pipeline.assets.replacements import TargetView
from coupon_pipeline.assets.run import now
from coupon_pipeline.assets.situation import Situation
from coupon_pipeline.domain.attachments import AttachmentOutcome
from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.mapping import RECORD_KEYS, TERMS_KEY
from coupon_pipeline.domain.replacing import replaced_already, replacement_id
from coupon_pipeline.domain.reuse import StripeCoupon, terms_of_stripe
from coupon_pipeline.domain.targets import (
    GrantedAttachment,
    LiveDiscount,
    WantedAttachment,
)
from coupon_pipeline.domain.terms import Terms, terms_hash
from coupon_pipeline.ledger.decisions import Attachment, RecordedCoupon
from coupon_pipeline.stripe_api import StripeEdge

_RECORD_KEY = RECORD_KEYS[0]
_OUR_KEYS = (*RECORD_KEYS, TERMS_KEY)


class FoundAgain:
    """Looks at targets for what an interrupted run or a ledger that was lost did there."""

    def __init__(
        self, situation: Situation, book: DecisionBook, views: Mapping[str, TargetView]
    ) -> None:
        self._situation = situation
        self._book = book
        self._views = views
        self._coupons = {c.coupon_id: c for c in situation.coupons.values()}

    def replaced(self, granted: Mapping[str, GrantedAttachment]) -> dict[str, GrantedAttachment]:
        """What was granted, with replacements whose answer was lost recognised by their proof."""
        found = dict(granted)
        by_quote_coupon: dict[str, list[str]] = {}
        for coupon in self._situation.coupons.values():
            by_quote_coupon.setdefault(coupon.quote_coupon_id, []).append(coupon.coupon_id)
        for g in granted.values():
            snapshot = self._situation.snapshots.get(g.snapshot_id)
            if snapshot is None:
                continue
            others = self._never_replaced(g, by_quote_coupon.get(snapshot.quote_coupon_id, ()))
            for target_id, view in self._views.items() if others else ():
                place = view.place(snapshot)
                if place is None:
                    continue
                done = replaced_already(g, place, others, view.proves)
                if done is not None:
                    coupon_id, live = done
                    found[g.snapshot_id] = self._in_place(g, coupon_id, live, target_id)
        return found

    def _never_replaced(self, g: GrantedAttachment, coupon_ids: Sequence[str]) -> list[str]:
        """Of the coupons of its quote coupon, others that the discount has not been made from."""
        if not set(coupon_ids) - {g.coupon_id}:
            return []
        history = {
            each
            for r in self._situation.replacements
            if r.snapshot_id == g.snapshot_id
            for each in (r.old_coupon_id, r.new_coupon_id)
        }
        return [each for each in coupon_ids if each != g.coupon_id and each not in history]

    def _in_place(
        self, g: GrantedAttachment, coupon_id: str, live: LiveDiscount | None, target_id: str
    ) -> GrantedAttachment:
        discount_id = live.discount_id if live else None
        (row,) = self._book.keep(
            [
                AttachmentOutcome(
                    g.snapshot_id,
                    "replaced",
                    f"it has taken the place of the discount from {g.coupon_id}",
                    coupon_id=coupon_id,
                    discount_id=discount_id,
                )
            ],
            target_id,
        )
        self._book.before[g.snapshot_id] = row  # what the plan says of it later builds on this
        terms = self._coupons[coupon_id].terms
        return replace(
            g,
            coupon_id=coupon_id,
            duration=terms.duration,
            months=terms.duration_in_months,
            discount_id=discount_id,
            granted_at=row.attached_at,
        )

    def known_by_proof(
        self,
        stripe: StripeEdge,
        wanted: Mapping[str, Sequence[WantedAttachment]],
        granted: Mapping[str, GrantedAttachment],
    ) -> dict[str, list[WantedAttachment]]:
        """What is wanted, by target; what only the proof remembers, with the coupon that it has.

        The mapping may ask for another one by now. Which coupon is of which quote coupon, its
        metadata says.
        """
        lives: dict[str, Sequence[LiveDiscount]] = {}
        for target_id, wishes in wanted.items():
            view, own = self._views[target_id], {w.coupon_id for w in wishes}
            for w in wishes:
                if w.snapshot_id not in granted and view.proves(w.snapshot_id):
                    others = self._others_at(view, w)
                    lives[w.snapshot_id] = [d for d in others if d.coupon_id not in own]
        ids = {d.coupon_id for each in lives.values() for d in each if d.coupon_id is not None}
        unknown = ids - self._coupons.keys()
        readings = stripe.read_coupons(unknown).readings if unknown else {}
        for reading in readings.values():
            if isinstance(reading, StripeCoupon):
                self._learn(reading)
        return {
            target_id: [
                self._as_made(self._views[target_id], w, lives.get(w.snapshot_id, ()))
                for w in wishes
            ]
            for target_id, wishes in wanted.items()
        }

    def _others_at(self, view: TargetView, w: WantedAttachment) -> tuple[LiveDiscount, ...]:
        """The discounts in the place of a snapshot, unless its coupon is among them."""
        place = view.place(self._situation.snapshots[w.snapshot_id])
        if place is None or any(each.coupon_id == w.coupon_id for each in place.coming):
            return ()
        return () if w.coupon_id in {d.coupon_id for d in place.live} else place.live

    def _learn(self, coupon: StripeCoupon) -> None:
        """Remember a coupon that names one of the quote coupons at hand."""
        named = [v for key, v in coupon.metadata.items() if key.endswith(_RECORD_KEY)]
        snapshot = next(
            (
                s
                for s in self._situation.snapshots.values()
                if any(value[:15] == s.quote_coupon_id[:15] for value in named)
            ),
            None,
        )
        if snapshot is None:
            return
        terms = terms_of_stripe(coupon)
        if (snapshot.quote_coupon_id, terms_hash(terms)) in self._situation.coupons:
            return
        recorded = RecordedCoupon(
            quote_coupon_id=snapshot.quote_coupon_id,
            terms_hash=terms_hash(terms),
            coupon_id=coupon.coupon_id,
            origin="created",
            reason="Found on a subscription; its metadata names the quote coupon.",
            terms=terms,
            metadata={key: v for key, v in coupon.metadata.items() if key.endswith(_OUR_KEYS)},
            mapping_hash="",
            first_order_id=snapshot.scope.order_id,
            recorded_at=now(),
            run_id=self._book.run_id,
        )
        self._coupons[coupon.coupon_id] = recorded
        self._book.coupons[coupon.coupon_id] = recorded

    def _as_made(
        self, view: TargetView, w: WantedAttachment, lives: Sequence[LiveDiscount]
    ) -> WantedAttachment:
        made = [
            coupon
            for live in lives
            if (coupon := self._coupons.get(live.coupon_id or "")) is not None
            and coupon.quote_coupon_id == w.quote_coupon_id
        ]
        if len(made) != 1:
            return w
        coupon = made[0]
        derived = self._situation.terms[w.snapshot_id]
        proof = replacement_id(w.snapshot_id, coupon.coupon_id)
        if isinstance(derived, DerivedCoupon) and view.proves(proof):
            asked = _as_asked(coupon.terms, derived.terms)
            self._book.replaced_before(w.snapshot_id, coupon.coupon_id, asked, view.state.target_id)
        return replace(
            w,
            coupon_id=coupon.coupon_id,
            duration=coupon.terms.duration,
            months=coupon.terms.duration_in_months,
        )


def coupons_gone(
    situation: Situation, book: DecisionBook, granted: Iterable[Attachment]
) -> list[RecordedCoupon]:
    """Coupons of proven grants that Stripe does not have, or not as they were made.

    Their discounts outlive them and go on in later phases, so a ledger has to know what they were:
    the frozen fields say it.
    """
    known = {c.coupon_id for c in (*situation.coupons.values(), *book.coupons.values())}
    found: dict[str, RecordedCoupon] = {}
    for row in granted:
        derived = situation.terms[row.snapshot_id]
        if row.coupon_id in known or not isinstance(derived, DerivedCoupon):
            continue
        if row.coupon_id == derived.coupon_id:
            found[derived.coupon_id] = RecordedCoupon(
                quote_coupon_id=derived.quote_coupon_id,
                terms_hash=derived.terms_hash,
                coupon_id=derived.coupon_id,
                origin="created",
                reason="A proof in Stripe tells of a discount from it; it was deleted or edited.",
                terms=derived.terms,
                metadata={},
                mapping_hash=derived.mapping_hash,
                first_order_id=situation.snapshots[row.snapshot_id].scope.order_id,
                recorded_at=now(),
                run_id=book.run_id,
            )
    return list(found.values())


def _as_asked(made: Terms, derived: Terms) -> Terms:
    """The terms that a replacement was asked for with; its coupon may have fewer months."""
    if made.duration == derived.duration == "repeating":
        return replace(made, duration_in_months=derived.duration_in_months)
    return made
