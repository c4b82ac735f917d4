"""The timeline of an order's coupons: all that the ledger kept of them, as events by time."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.problems import Blocked, RecordNames
from coupon_pipeline.domain.records import Association, CouponVersion, Order, OrderCoupon, OrderItem
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.targets import GrantedAttachment
from coupon_pipeline.domain.terms import terms_in_words
from coupon_pipeline.domain.timeline import (
    Event,
    PastWrite,
    events_of_versions,
    events_of_writes,
    merged,
)
from coupon_pipeline.ledger import decisions, source
from coupon_pipeline.ledger.decisions import Attachment, CouponDecision, RecordedCoupon
from coupon_pipeline.ledger.past import (
    Frozen,
    PastProblem,
    read_frozen,
    read_past_problems,
    read_past_writes,
)
from coupon_pipeline.ledger.replacements import Replacement, read_replacements
from coupon_pipeline.ledger.transaction import Transaction

Value = TypeVar("Value")

EVIDENCE = {
    "order_coupon": "the order coupon that was written when the order activated",
    "coupon_version": "the coupon version that was in force when the order activated",
    "quote_coupon_today": "today's quote coupon, because nothing older is known",
}


@dataclass(frozen=True, slots=True)
class Past:
    """What the ledger kept of the selected orders, by what an order finds it with."""

    items: Mapping[str, list[OrderItem]]
    """By order."""
    associations: Mapping[str, list[Association]]
    """By quote or quote line."""
    order_coupons: Mapping[str, list[OrderCoupon]]
    """By item, or by order where it is of none."""
    versions: Mapping[str, list[CouponVersion]]
    """By quote coupon."""
    frozen: Mapping[str, Frozen]
    terms: Mapping[str, DerivedCoupon | Blocked]
    coupons: Mapping[str, list[RecordedCoupon]]
    """By Stripe coupon."""
    decided: Mapping[str, CouponDecision]
    attachments: Mapping[str, Attachment]
    replacements: Mapping[str, list[Replacement]]
    """By snapshot, as all that has no word here."""
    discounts: Mapping[str, frozenset[str]]
    """Discounts that are known to have been made, by Stripe coupon."""
    problems: Mapping[str, list[PastProblem]]
    """By order."""
    writes: Mapping[str, list[PastWrite]]
    """By what they wrote to, the oldest first."""


def read_past(tx: Transaction, snapshots: list[Snapshot], target_ids: Iterable[str]) -> Past:
    """All of it for the selected orders and what in Stripe carries their discounts."""
    replacements = read_replacements(tx)
    grants = decisions.read_grants(tx, target_ids).values()
    associations, copies = source.read_associations(tx), source.read_order_coupons(tx)
    versions, _ = source.read_coupon_states(tx, associations, copies)
    return Past(
        items=_grouped(source.read_items(tx), lambda each: each.order_id),
        associations=_grouped(associations, lambda each: each.parent_id),
        order_coupons=_grouped(copies, lambda each: each.order_item_id or each.order_id or ""),
        versions=_grouped(versions, lambda each: each.quote_coupon_id),
        frozen=read_frozen(tx),
        terms=decisions.read_terms(tx, snapshots),
        coupons=_grouped(decisions.read_coupons(tx).values(), lambda each: each.coupon_id),
        decided=decisions.read_coupon_decisions(tx),
        attachments=decisions.read_attachments(tx),
        replacements=_grouped(replacements, lambda each: each.snapshot_id),
        discounts=_discounts(grants, replacements),
        problems=_grouped(read_past_problems(tx), lambda each: each.problem.order_id or ""),
        writes=_grouped(read_past_writes(tx), lambda each: each.target_id),
    )


def _grouped(values: Iterable[Value], key: Callable[[Value], str]) -> dict[str, list[Value]]:
    """One pass, so that the story of a coupon that thousands of orders use stays affordable."""
    found: dict[str, list[Value]] = {}
    for value in values:
        found.setdefault(key(value), []).append(value)
    return found


def _discounts(
    grants: Iterable[GrantedAttachment], replacements: Iterable[Replacement]
) -> dict[str, frozenset[str]]:
    made = [(each.coupon_id, each.discount_id) for each in grants]
    made += [(each.old_coupon_id or "", each.old_discount_id) for each in replacements]
    known = [(coupon_id, discount_id) for coupon_id, discount_id in made if discount_id is not None]
    return {
        coupon_id: frozenset(discount_id for _, discount_id in pairs)
        for coupon_id, pairs in _grouped(known, lambda pair: pair[0]).items()
    }


def timeline_of(
    past: Past,
    order: Order,
    snapshots: list[Snapshot],
    quote_coupon_ids: frozenset[str],
    names: RecordNames,
) -> tuple[Event, ...]:
    """What happened to these snapshots of an order and to these quote coupons on it, by time."""
    return _Timeline(past, order, snapshots, quote_coupon_ids, names).events()


class _Timeline:
    """One order's timeline while it is put together."""

    def __init__(
        self,
        past: Past,
        order: Order,
        snapshots: list[Snapshot],
        quote_coupon_ids: frozenset[str],
        names: RecordNames,
    ) -> None:
        self._past, self._order, self._names = past, order, names
        self._snapshots = {each.snapshot_id: each for each in snapshots}
        self._quote_coupon_ids = quote_coupon_ids
        self._items = {item.order_item_id: item for item in past.items.get(order.order_id, [])}
        self._copies = [
            copy
            for parent_id in (order.order_id, *self._items)
            for copy in past.order_coupons.get(parent_id, [])
            if copy.quote_coupon_id in quote_coupon_ids
        ]
        self._replaced = [
            each
            for snapshot_id in self._snapshots
            for each in past.replacements.get(snapshot_id, [])
        ]
        self._coupon_ids = self._all_coupon_ids()

    def events(self) -> tuple[Event, ...]:
        """All of them."""
        called = self._called()
        used = [
            v for each in sorted(self._quote_coupon_ids) for v in self._past.versions.get(each, [])
        ]
        return merged(
            events_of_versions(used, self._order.activated_at, called),
            self._associations(),
            self._activation(),
            self._order_coupons(),
            self._frozen(),
            self._decisions(),
            self._stripe_coupons(),
            self._attachments(),
            self._replacements(),
            self._problems(),
            events_of_writes(
                [write for each in called for write in self._past.writes.get(each, [])],
                called,
                self._past.discounts,
            ),
        )

    def _associations(self) -> Iterator[Event]:
        places: list[tuple[str | None, str | None]] = [(self._order.quote_id, None)]
        places += [(item.quote_line_id, item.order_item_id) for item in self._items.values()]
        for each, item_id in (
            (each, item_id)
            for parent_id, item_id in places
            for each in self._past.associations.get(parent_id or "", [])
            if each.quote_coupon_id in self._quote_coupon_ids
        ):
            place = self._names.order_item(item_id) if item_id else "the whole order"
            told = f"{self._names.quote_coupon(each.quote_coupon_id)} with {place}"
            details = {
                "association_id": each.association_id,
                "quote_coupon_id": each.quote_coupon_id,
                "order_item_id": item_id,
            }
            yield Event(each.created_at, "association", f"associated {told}", details)
            if each.deleted_at is not None:
                yield Event(
                    each.deleted_at, "association_deleted", f"no longer associated {told}", details
                )

    def _activation(self) -> Iterator[Event]:
        order = self._order
        yield Event(
            order.activated_at,
            "activation",
            f"{self._names.order(order.order_id)} was activated",
            {"order_id": order.order_id, "order_number": order.order_number},
        )

    def _order_coupons(self) -> Iterator[Event]:
        for copy in self._copies:
            yield Event(
                copy.created_at,
                "order_coupon",
                f"order coupon {copy.order_coupon_id} was written for "
                f"{self._names.quote_coupon(copy.quote_coupon_id)}",
                {
                    "order_coupon_id": copy.order_coupon_id,
                    "quote_coupon_id": copy.quote_coupon_id,
                    "order_item_id": copy.order_item_id,
                },
            )

    def _frozen(self) -> Iterator[Event]:
        for snapshot in self._snapshots.values():
            frozen = self._past.frozen[snapshot.snapshot_id]
            terms = self._past.terms[snapshot.snapshot_id]
            signed = f": {terms_in_words(terms.terms)}" if isinstance(terms, DerivedCoupon) else ""
            yield Event(
                frozen.frozen_at,
                "snapshot",
                f"{self._on(snapshot)} was frozen from {EVIDENCE[snapshot.evidence]}{signed}",
                {
                    **_of(snapshot),
                    "evidence": snapshot.evidence,
                    "evidence_record_id": snapshot.evidence_record_id,
                    "terms_uncertain": snapshot.terms_uncertain,
                },
                run_id=frozen.run_id,
            )

    def _decisions(self) -> Iterator[Event]:
        for snapshot in self._snapshots.values():
            decided = self._past.decided.get(snapshot.snapshot_id)
            if decided is not None:
                yield Event(
                    decided.decided_at,
                    "coupon_decision",
                    f"Stripe coupon for {self._on(snapshot)}: {decided.decision}: {decided.reason}",
                    {
                        **_of(snapshot),
                        "decision": decided.decision,
                        "coupon_id": decided.coupon_id,
                        "code": decided.code,
                        "reason": decided.reason,
                        "differences": list(decided.differences),
                    },
                    run_id=decided.run_id,
                )

    def _stripe_coupons(self) -> Iterator[Event]:
        for coupon_id in sorted(self._coupon_ids):
            for coupon in self._past.coupons.get(coupon_id, []):
                yield Event(
                    coupon.recorded_at,
                    "stripe_coupon",
                    f"Stripe coupon {coupon.coupon_id} was {coupon.origin} for "
                    f"{self._names.quote_coupon(coupon.quote_coupon_id)}: {coupon.reason}",
                    {
                        "coupon_id": coupon.coupon_id,
                        "origin": coupon.origin,
                        "first_order_id": coupon.first_order_id,
                    },
                    run_id=coupon.run_id,
                )

    def _attachments(self) -> Iterator[Event]:
        for snapshot in self._snapshots.values():
            each = self._past.attachments.get(snapshot.snapshot_id)
            if each is None:
                continue
            where = each.place or each.target_id or "nowhere"
            decided_then = each.attached_at in {None, each.decided_at}
            yield Event(
                each.attached_at or each.decided_at,
                "attachment",
                f"discount of {self._on(snapshot)}: {each.outcome} on {where}"
                f"{f' as {each.discount_id}' if each.discount_id else ''}: {each.reason}",
                {
                    **_of(snapshot),
                    "outcome": each.outcome,
                    "code": each.code,
                    "coupon_id": each.coupon_id,
                    "target_id": each.target_id,
                    "place": each.place,
                    "discount_id": each.discount_id,
                },
                run_id=each.run_id if decided_then else None,
            )

    def _replacements(self) -> Iterator[Event]:
        for each in self._replaced:
            snapshot = self._snapshots[each.snapshot_id]
            yield Event(
                each.replaced_at,
                "replacement",
                f"discount of {self._on(snapshot)} was replaced by request: "
                f"{each.old_coupon_id or 'one that the ledger does not remember'} made room for "
                f"{each.new_coupon_id}",
                {
                    **_of(snapshot),
                    "old_coupon_id": each.old_coupon_id,
                    "old_discount_id": each.old_discount_id,
                    "new_coupon_id": each.new_coupon_id,
                    "target_id": each.target_id,
                },
                run_id=each.run_id,
            )

    def _problems(self) -> Iterator[Event]:
        for past in self._past.problems.get(self._order.order_id, []):
            each = past.problem
            if each.quote_coupon_id not in {None, *self._quote_coupon_ids}:
                continue
            details = {
                "code": each.code,
                "effect": each.effect,
                "fix": each.fix,
                "order_item_id": each.order_item_id,
                "quote_coupon_id": each.quote_coupon_id,
            }
            told = f"{each.code}: {each.message}"
            yield Event(each.first_seen_at, "problem", told, details)
            if past.resolved_at is not None:
                yield Event(
                    past.resolved_at, "problem_resolved", f"no longer seen: {told}", details
                )

    def _called(self) -> dict[str, str]:
        """What everything is called that a write of this timeline can be about."""
        called = {each: f"Stripe coupon {each}" for each in sorted(self._coupon_ids)}
        called |= {each: each for each in sorted(self._target_ids())}
        called |= {each: self._names.quote_coupon(each) for each in sorted(self._quote_coupon_ids)}
        for copy in self._copies:
            called[copy.order_coupon_id] = f"order coupon {copy.order_coupon_id}"
        for snapshot_id, snapshot in self._snapshots.items():
            called[snapshot_id] = f"an order coupon for {self._on(snapshot)}"
        for parent_id in (self._order.order_id, *self._items):
            for each in sorted(self._quote_coupon_ids):
                told = f" of {self._names.quote_coupon(each)}" if each else ""
                called[f"{parent_id}-{each}"] = f"the sync record{told} on {parent_id}"
        return called

    def _all_coupon_ids(self) -> set[str]:
        found = {each.old_coupon_id for each in self._replaced}
        for snapshot_id in self._snapshots:
            decided = self._past.decided.get(snapshot_id)
            attached = self._past.attachments.get(snapshot_id)
            found |= {each.coupon_id for each in (decided, attached) if each is not None}
        return {each for each in found if each is not None}

    def _target_ids(self) -> set[str]:
        attached = [self._past.attachments.get(each) for each in self._snapshots]
        found = {self._order.target_id, *(each.target_id for each in self._replaced)}
        for each in attached:
            if each is not None:
                found |= {each.target_id, each.place}
        return {each for each in found if each is not None}

    def _on(self, snapshot: Snapshot) -> str:
        item_id = snapshot.scope.order_item_id
        place = self._names.order_item(item_id) if item_id else "the whole order"
        return f"{self._names.quote_coupon(snapshot.quote_coupon_id)} on {place}"


def _of(snapshot: Snapshot) -> dict[str, str | None]:
    return {
        "quote_coupon_id": snapshot.quote_coupon_id,
        "order_item_id": snapshot.scope.order_item_id,
    }
