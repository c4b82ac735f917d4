"""What subscriptions and schedules decide alike while a plan is made.

What was granted before, what the state of a target forbids, how a discount list grows, and how the
proof grows with it.
"""

from calendar import monthrange
from collections.abc import Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from coupon_pipeline.domain.attachments import AttachmentOutcome, OutcomeName, TargetPlan
from coupon_pipeline.domain.proof import Proof, ProofFull, ProofUnreadable
from coupon_pipeline.domain.targets import (
    MAX_DISCOUNTS,
    MAX_METADATA_KEYS,
    DiscountEntry,
    GrantedAttachment,
    LiveDiscount,
    TargetGone,
    WantedAttachment,
)


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger and the proof on the target say was granted, and when it is asked."""

    granted: Mapping[str, GrantedAttachment]
    proof: Proof | ProofUnreadable
    target_ids: frozenset[str]
    """Every id under which the ledger may know the target, or a discount or its place there."""
    now: datetime
    not_made: AbstractSet[str] = frozenset()
    """What the proof speaks of and an answer of Stripe's showed to have had no effect."""

    @classmethod
    def of(
        cls,
        granted: Mapping[str, GrantedAttachment],
        metadata: Iterable[Mapping[str, str]],
        target_ids: Iterable[str],
        now: datetime,
        not_made: AbstractSet[str] = frozenset(),
    ) -> "Known":
        """With the proofs of all the objects that a target consists of read together."""
        proof = Proof()
        for each in metadata:
            read = Proof.read(each)
            if isinstance(read, ProofUnreadable):
                return cls(granted, read, frozenset(target_ids), now, not_made)
            proof = proof.together_with(read)
        return cls(granted, proof, frozenset(target_ids), now, not_made)

    def has(self, snapshot_id: str) -> bool:
        """Whether the attachment was made at some time, whatever the target shows now."""
        return snapshot_id in self.granted or (
            snapshot_id not in self.not_made
            and isinstance(self.proof, Proof)
            and self.proof.has(snapshot_id)
        )

    def here(self) -> list[GrantedAttachment]:
        """Those of the ledger that are on this target."""
        return [g for g in self.granted.values() if self.is_here(g)]

    def is_here(self, g: GrantedAttachment) -> bool:
        """Whether it was granted on this target, also through a schedule that has let go of it."""
        return not self.target_ids.isdisjoint(g.found_by)

    def record(self, w: WantedAttachment, target_id: str) -> GrantedAttachment:
        """The ledger's record or, when only the proof remembers, as much as is known."""
        return self.granted.get(w.snapshot_id) or GrantedAttachment(
            w.snapshot_id,
            target_id,
            w.scope,
            w.coupon_id,
            w.duration,
            w.months,
            limited=w.limited,
        )

    def records(
        self, wanted: Sequence[WantedAttachment], target_id: str
    ) -> list[GrantedAttachment]:
        """All that was granted on this target, as far as ledger and proof tell."""
        proved = [w for w in wanted if w.snapshot_id not in self.granted]
        return self.here() + [self.record(w, target_id) for w in proved if self.has(w.snapshot_id)]


class ListDraft:
    """A discount list in the making: what is there stays, in its order, and ours follow."""

    def __init__(
        self,
        entries: Sequence[DiscountEntry],
        customer: LiveDiscount | None = None,
        *,
        keep_customer: bool = True,
    ) -> None:
        self._entries = list(entries)
        self._customer = None if entries else customer
        self._keep_customer = keep_customer
        self.changed = False

    def place_of(self, coupon_id: str) -> int:
        """The position of the entry from this coupon; after all others if there is none."""
        places = (at for at, e in enumerate(self._entries) if e.coupon_id == coupon_id)
        return next(places, len(self._entries))

    def coupons_after(self, coupon_id: str) -> frozenset[str | None]:
        """The coupons of the entries behind the one from this coupon, as far as they are known."""
        behind = self._entries[self.place_of(coupon_id) + 1 :]
        return frozenset(e.coupon_id for e in behind if e.coupon_id is not None)

    def find(self, coupon_id: str) -> DiscountEntry | None:
        """The entry that comes from this coupon, if any; Stripe takes each coupon once."""
        return next((e for e in self._entries if e.coupon_id == coupon_id), None)

    def holds(self, discount_id: str) -> bool:
        """Whether this very discount is in the list."""
        return any(e.kind == "discount" and e.reference == discount_id for e in self._entries)

    def names_code(self, promotion_code: str | None) -> bool:
        """Whether this promotion code is in the list; Stripe does not show its coupon."""
        return any(
            e.kind == "promotion_code" and e.reference == promotion_code for e in self._entries
        )

    @property
    def size_after_one_more(self) -> int:
        """Entries that the list would have, the customer's own discount included."""
        customer = self._keep_customer and self._customer is not None
        return len(self._entries) + customer + 1

    def add(self, entry: DiscountEntry, before: Container[str | None] = ()) -> None:
        """Put it at the end, or before the first entry from one of the coupons `before`.

        A customer's own discount from the same coupon is left to take effect again later: both
        cannot be in one list, and Stripe applies it once the subscription has no other.
        """
        places = (at for at, e in enumerate(self._entries) if e.coupon_id in before)
        self._entries.insert(next(places, len(self._entries)), entry)
        self.changed = True
        same = self._customer and self._customer.coupon_id == entry.coupon_id
        if same or not self._keep_customer:
            self._customer = None

    def grant(self, w: WantedAttachment) -> None:
        """A new discount: at the end, or in the place of the one that it replaces."""
        entry = DiscountEntry.granted(w.coupon_id)
        place = next((at for at, e in enumerate(self._entries) if _makes_room(e, w)), None)
        if place is None:
            self.add(entry)
            return
        self._entries[place] = entry
        self.retire(w)
        self.changed = True

    def retire(self, w: WantedAttachment) -> None:
        """Take out what the attachment replaces, where it is named once more."""
        left = [e for e in self._entries if not _makes_room(e, w)]
        self.changed |= len(left) < len(self._entries)
        self._entries = left

    def size_with(self, w: WantedAttachment) -> int:
        """Entries that the list would have with this one."""
        return self.size_after_one_more - any(_makes_room(e, w) for e in self._entries)

    def replace(self, old: DiscountEntry, new: DiscountEntry) -> None:
        """The same discount by another name, in the same place."""
        self._entries[self._entries.index(old)] = new
        self.changed = True

    def drop(self, discount_id: str) -> None:
        """Take out a reference to a discount of ours that is used up."""
        left = [e for e in self._entries if e.kind != "discount" or e.reference != discount_id]
        self.changed |= len(left) < len(self._entries)
        self._entries = left

    def keep_existing(self, discount_ids: Container[str]) -> None:
        """Leave out references to discounts that are gone: Stripe would refuse the whole list."""
        self._entries = [
            e for e in self._entries if e.kind != "discount" or e.reference in discount_ids
        ]

    @property
    def entries(self) -> tuple[DiscountEntry, ...]:
        """The list as it is sent, the customer's own discount before ours."""
        if self._customer is None:
            return tuple(self._entries)
        return (replace(DiscountEntry.kept(self._customer), inherited=True), *self._entries)


def _makes_room(entry: DiscountEntry, w: WantedAttachment) -> bool:
    return w.takes is not None and w.takes.is_of(entry)


class ProofDraft:
    """The proof in the making, for the metadata of the object that is written.

    `copies` is the metadata of other objects that hold it too, such as the phases of a schedule.
    """

    def __init__(
        self,
        known: Known,
        metadata: Mapping[str, str],
        copies: Iterable[Mapping[str, str]] = (),
    ) -> None:
        self._known = known
        self._metadata = metadata
        self._holders = [metadata, *copies]
        self._proof = known.proof
        self._extended: dict[str, Proof | ProofFull] = {}
        """The proof with one more, by snapshot id: found for `refusal`, taken over by `add`."""
        self._added = False

    def refusal(self, w: WantedAttachment, target_id: str) -> AttachmentOutcome | None:
        """Why the attachment could not be proved, and so must not be made."""
        if isinstance(self._proof, ProofUnreadable):
            return refused(
                w, "target.proof_unreadable", target_id=target_id, reason=self._proof.reason
            )
        extended = self._with(w.snapshot_id, self._proof)
        if not isinstance(extended, Proof):
            count = str(extended.count - 1)
            return refused(w, "target.proof_full", target_id=target_id, count=count)
        keys = extended.keys()
        if not all(_has_room(each, keys) for each in self._holders):
            limit = str(MAX_METADATA_KEYS)
            return refused(w, "target.metadata_full", target_id=target_id, limit=limit)
        return None

    def add(self, snapshot_id: str) -> None:
        """Prove one more, for which `refusal` has found no reason against."""
        assert isinstance(self._proof, Proof), "an unreadable proof refuses"
        extended = self._with(snapshot_id, self._proof)
        assert isinstance(extended, Proof), "a full proof refuses"
        self._proof = extended
        self._extended.clear()
        self._added = True

    def _with(self, snapshot_id: str, proof: Proof) -> Proof | ProofFull:
        if snapshot_id not in self._extended:
            self._extended[snapshot_id] = proof.extended([snapshot_id])
        return self._extended[snapshot_id]

    @property
    def added(self) -> bool:
        """Whether there is something new to prove."""
        return self._added

    def metadata(self) -> dict[str, str]:
        """Our keys, those whose value changes; the keys of others are never sent.

        A proof that somebody deleted is completed from the ledger on this occasion.
        """
        return missing_from(self._metadata, self._whole())

    def of_phase(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """The metadata of a phase with our keys in it.

        The subscription takes it over when the phase begins
        (https://docs.stripe.com/api/subscription_schedules/update), and so still proves what was
        granted when the schedule has let go of it.
        """
        return {**metadata, **missing_from(metadata, self._whole())}

    def _whole(self) -> Proof | ProofUnreadable:
        if isinstance(self._proof, ProofUnreadable):
            return self._proof
        here = self._known.here()
        whole = self._proof.extended(g.snapshot_id for g in here) if here else self._proof
        return whole if isinstance(whole, Proof) else self._proof


def missing_from(metadata: Mapping[str, str], proof: Proof | ProofUnreadable) -> dict[str, str]:
    """What to write into the metadata of an object so that it proves as much, if there is room."""
    values = proof.metadata() if isinstance(proof, Proof) else {}
    if not _has_room(metadata, values):
        return {}
    return {key: value for key, value in values.items() if metadata.get(key) != value}


def _has_room(metadata: Iterable[str], keys: Iterable[str]) -> bool:
    return len({*metadata, *keys}) <= MAX_METADATA_KEYS


_REFUSALS: Mapping[str, tuple[OutcomeName, str]] = {
    "currency.mismatch": ("blocked", "the amount is in another currency"),
    "target.contract_conflict": ("blocked", "amendment and contract name different targets"),
    "target.coupon_in_use": ("pending", "the same coupon still runs there for another order"),
    "target.ended": ("blocked", "it has ended"),
    "target.incomplete": ("pending", "its first payment is not made yet"),
    "target.item_not_found": ("blocked", "no item there is the order item's"),
    "target.item_removed": ("not_applicable", "the order item is not billed any more"),
    "target.metadata_full": ("blocked", "there is no room for the proof"),
    "target.no_phase_yet": ("pending", "the order has no phase in the schedule so far"),
    "target.not_found": ("blocked", "it is not in the Stripe account"),
    "target.not_subscription": ("not_applicable", "it is no subscription"),
    "target.phase_mismatch": ("blocked", "phase and subscription have different items"),
    "target.proof_full": ("blocked", "there is no room for the proof"),
    "target.proof_unreadable": ("blocked", "what it says of earlier attachments is unreadable"),
    "target.schedule_unsupported": ("blocked", "the schedule cannot be sent back unchanged"),
    "target.too_many_discounts": ("blocked", "the list is full"),
}


def refused(w: WantedAttachment, code: str, **details: str) -> AttachmentOutcome:
    """The outcome of a snapshot that is not attached, by its code."""
    outcome, reason = _REFUSALS[code]
    return AttachmentOutcome(
        w.snapshot_id, outcome, reason, code=code, details=details, coupon_id=w.coupon_id
    )


def is_over(status: str) -> bool:
    """Whether a subscription has ended for good."""
    return status in {"canceled", "incomplete_expired"}


def refused_by_status(w: WantedAttachment, target_id: str, status: str) -> AttachmentOutcome | None:
    """What the status of a subscription forbids.

    https://docs.stripe.com/billing/subscriptions/overview: `canceled` and `incomplete_expired`
    are final; `incomplete` becomes one of the others within a day.
    """
    if is_over(status):
        return refused(w, "target.ended", target_id=target_id, status=status)
    if status == "incomplete":
        return refused(w, "target.incomplete", target_id=target_id)
    return None


def refused_by_currency(
    w: WantedAttachment, target_id: str, currency: str
) -> AttachmentOutcome | None:
    """An amount is taken off only in a currency that the coupon has."""
    if w.percent or currency in w.currencies:
        return None
    details = {
        "first": "Stripe coupon",
        "first_currency": ", ".join(sorted(w.currencies)).upper(),
        "second": f"subscription {target_id}",
        "second_currency": currency.upper(),
    }
    return refused(w, "currency.mismatch", **details)


def refused_by_room(
    w: WantedAttachment, target_id: str, lists: Iterable[ListDraft]
) -> AttachmentOutcome | None:
    """Stripe takes 20 entries in a list."""
    size = max(each.size_with(w) for each in lists)
    if size <= MAX_DISCOUNTS:
        return None
    return refused(
        w,
        "target.too_many_discounts",
        target_id=target_id,
        count=str(size),
        limit=str(MAX_DISCOUNTS),
    )


def granted_before(
    w: WantedAttachment, known: Known, target_id: str, live: LiveDiscount | None, *, present: bool
) -> AttachmentOutcome:
    """An attachment that was made stays made, whether or not it can still be seen.

    A `once` discount disappears when it is used, a `repeating` one when its window ends
    (https://docs.stripe.com/billing/subscriptions/coupons). One that should still be there was
    taken away by somebody, or the order names another subscription since: reported and left so.
    So is one that is live and not in all the later phases that had it.
    """
    record = known.granted.get(w.snapshot_id)
    outcome = AttachmentOutcome(
        w.snapshot_id,
        "unchanged",
        "it was attached before" if record else "the proof in Stripe says it was attached before",
        coupon_id=w.coupon_id,
        discount_id=live.discount_id if live else record.discount_id if record else None,
    )
    if present or not (live or _should_be_there(w, record, known.now)):
        return outcome
    details = {"target_id": target_id, "coupon_id": w.coupon_id}
    if record and not known.is_here(record):
        details["other_target_id"] = record.target_id
        return replace(outcome, code="attachment.on_other_target", details=details)
    return replace(outcome, code="attachment.removed_by_hand", details=details)


def _should_be_there(w: WantedAttachment, record: GrantedAttachment | None, now: datetime) -> bool:
    if w.duration == "forever" or (record and _has_not_begun(record, now)):
        return True
    if w.duration == "once" or record is None or record.granted_at is None or w.months is None:
        return False
    return months_after(record.granted_at, w.months) > now


def _has_not_begun(g: GrantedAttachment, now: datetime) -> bool:
    return not g.discount_id and bool(g.carried_to) and min(g.carried_to) > unix(now)


def plan_gone(gone: TargetGone, wanted: Sequence[WantedAttachment], known: Known) -> TargetPlan:
    """Nothing can be attached under this id; what was granted before stays granted."""
    details = {"target_id": gone.target_id, **gone.details}
    outcomes = [
        granted_before(w, known, gone.target_id, None, present=True)
        if known.has(w.snapshot_id)
        else refused(w, gone.code, **details)
        for w in wanted
    ]
    return TargetPlan(gone.target_id, None, tuple(outcomes))


def seen(g: GrantedAttachment, live: Sequence[LiveDiscount]) -> LiveDiscount | None:
    """The discount of an attachment, if it is in this list.

    By its id. By its coupon only where the id is not known, or where it may have changed without
    a new grant: a `forever` discount is made anew by each phase that names its coupon.
    """
    by_id = next((d for d in live if d.discount_id == g.discount_id), None)
    if by_id or (g.discount_id and g.duration != "forever"):
        return by_id
    return next((d for d in live if d.coupon_id == g.coupon_id), None)


def months_after(start: datetime, months: int) -> datetime:
    """The same day of a later month, or that month's last day."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    day = min(start.day, monthrange(year, month + 1)[1])
    return start.replace(year=year, month=month + 1, day=day)


def unix(moment: datetime) -> int:
    """Stripe's form of a time."""
    return int(moment.timestamp())


def from_unix(seconds: int) -> datetime:
    """A time of Stripe's, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
