"""The story of each coupon of an order, told from the ledger."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from coupon_pipeline.cli.timelines import EVIDENCE, read_past, timeline_of
from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.ids import is_id, normalise_id
from coupon_pipeline.domain.problems import Blocked, RecordNames
from coupon_pipeline.domain.records import Order
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.terms import terms_in_words
from coupon_pipeline.domain.timeline import Event
from coupon_pipeline.domain.without_ours import OurDiscount
from coupon_pipeline.ledger import Ledger, decisions, source
from coupon_pipeline.ledger.decisions import Attachment, CouponDecision, RecordedCoupon
from coupon_pipeline.ledger.problems import NotedProblem, read_names, read_selected_problems
from coupon_pipeline.ledger.replacements import Replacement


@dataclass(frozen=True, slots=True)
class Chapter:
    """One coupon of an order or of one of its items."""

    quote_coupon_id: str
    order_item_id: str | None
    headline: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """An order with its coupons."""

    order_id: str
    headline: str
    chapters: tuple[Chapter, ...]
    target_id: str | None = None
    """What in Stripe carries its discounts."""
    discount_ids: tuple[str, ...] = ()
    """Those that the pipeline granted to it."""
    granted: tuple[OurDiscount, ...] = ()
    """The same, with what else tells which they are."""
    timeline: tuple[Event, ...] = ()
    """What happened to the coupons that it tells of, by time."""

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        told = {key: value for key, value in asdict(self).items() if key != "granted"}
        return {**told, "timeline": [event.as_json() for event in self.timeline]}


def read_stories(ledger: Ledger, record_id: str) -> list[Story]:
    """The stories of the orders that the id is about; only the coupons that it is about."""
    wanted = normalise_id(record_id) if is_id(record_id) else record_id
    with ledger.reading() as tx:
        order_ids = source.orders_of_id(tx, wanted)
        source.select_orders_by_id(tx, order_ids)
        orders = source.read_orders(tx)
        snapshots = decisions.read_snapshots(tx)
        past = read_past(tx, snapshots, {o.target_id for o in orders if o.target_id is not None})
        problems = read_selected_problems(tx)
        names = read_names(
            tx,
            [(s.scope.order_id, s.scope.order_item_id, s.quote_coupon_id) for s in snapshots]
            + [(p.order_id, p.order_item_id, p.quote_coupon_id) for p in problems]
            + [(order.order_id, None, None) for order in orders],
        )
    coupons = [coupon for each in past.coupons.values() for coupon in each]
    stories = []
    for order in orders:
        chapters, told, granted = [], [], []
        for snapshot in snapshots:
            if snapshot.scope.order_id != order.order_id:
                continue
            derived = past.terms[snapshot.snapshot_id]
            attachment = past.attachments.get(snapshot.snapshot_id)
            coupon = _coupon_of(derived, attachment, coupons)
            if attachment is not None and attachment.granted:
                granted.append(_ours(snapshot, attachment, coupon))
            if not _is_about(wanted, order, snapshot, coupon, attachment):
                continue
            told.append(snapshot)
            chapters.append(
                Chapter(
                    snapshot.quote_coupon_id,
                    snapshot.scope.order_item_id,
                    _headline(snapshot, names),
                    (
                        *_evidence_lines(snapshot, derived),
                        *_coupon_lines(coupon, past.decided.get(snapshot.snapshot_id)),
                        *_attachment_lines(attachment),
                        *_replacement_lines(past.replacements.get(snapshot.snapshot_id, ())),
                        *_problem_lines(snapshot, problems),
                    ),
                )
            )
        chapters += _without_snapshot(order, snapshots, problems, names)
        stories.append(
            Story(
                order.order_id,
                f"Order {order.order_number} ({order.order_id}), activated "
                f"{_at(order.activated_at)}, in Stripe "
                f"{_in_stripe(order)}",
                tuple(chapters),
                order.target_id,
                tuple(each.discount_id for each in granted if each.discount_id is not None),
                tuple(granted),
                timeline_of(
                    past, order, told, frozenset(c.quote_coupon_id for c in chapters), names
                ),
            )
        )
    return stories


def _coupon_of(
    derived: DerivedCoupon | Blocked,
    attachment: Attachment | None,
    coupons: Iterable[RecordedCoupon],
) -> RecordedCoupon | None:
    """The Stripe coupon that a discount was made from; without one, that of the terms of today."""
    if attachment is not None and attachment.granted:
        return next((c for c in coupons if c.coupon_id == attachment.coupon_id), None)
    if isinstance(derived, Blocked):
        return None
    key = (derived.quote_coupon_id, derived.terms_hash)
    return next((c for c in coupons if (c.quote_coupon_id, c.terms_hash) == key), None)


def _ours(snapshot: Snapshot, attachment: Attachment, coupon: RecordedCoupon | None) -> OurDiscount:
    return OurDiscount(
        attachment.coupon_id,
        attachment.discount_id,
        snapshot.scope.order_item_id is not None,
        frozenset(attachment.phases),
        coupon is not None and coupon.terms.duration == "forever",
    )


def _is_about(
    wanted: str,
    order: Order,
    snapshot: Snapshot,
    coupon: RecordedCoupon | None,
    attachment: Attachment | None,
) -> bool:
    """Whether a coupon belongs in the answer: all of an order's, else those that the id names."""
    if wanted in {order.order_id, order.order_number, order.target_id}:
        return True
    named = {snapshot.quote_coupon_id, snapshot.scope.order_item_id}
    if coupon is not None:
        named.add(coupon.coupon_id)
    if attachment is not None:
        named |= {attachment.target_id, attachment.place, attachment.discount_id}
    return wanted in named


def _in_stripe(order: Order) -> str:
    if order.stripe_id is None and order.target_id is not None:
        return f"{order.target_id} of the initial order {order.initial_order_id} of its contract"
    return order.target_id or "not there yet"


def _headline(snapshot: Snapshot, names: RecordNames) -> str:
    place = (
        names.order_item(snapshot.scope.order_item_id)
        if snapshot.scope.order_item_id
        else "the whole order"
    )
    return f"{_capital(names.quote_coupon(snapshot.quote_coupon_id))} on {place}"


def _evidence_lines(snapshot: Snapshot, derived: DerivedCoupon | Blocked) -> list[str]:
    if snapshot.association_id is not None:
        lines = [f"associated by {snapshot.association_id} {_at(snapshot.association_created_at)}"]
    else:
        lines = ["no association is left; the order coupon alone states it"]
    lines.append(
        f"terms from {EVIDENCE[snapshot.evidence]} ({snapshot.evidence_record_id}, "
        f"{_at(snapshot.evidence_at)})"
    )
    if isinstance(derived, DerivedCoupon):
        lines.append(f"signed: {terms_in_words(derived.terms)}")
    return lines


def _coupon_lines(coupon: RecordedCoupon | None, decided: CouponDecision | None) -> list[str]:
    if coupon is None:
        return []
    verb = {"created": "made", "adopted": "adopted"}[coupon.origin]
    first = f"{_at(coupon.recorded_at)} for order {coupon.first_order_id}"
    lines = [f"Stripe coupon {coupon.coupon_id}: {verb} {first}"]
    if coupon.terms.max_redemptions is not None:
        lines.append(
            f"Stripe counts its {coupon.terms.max_redemptions} redemptions over all orders that "
            "use it, this one included"
        )
    if decided is not None:
        lines.append(f"{decided.decision}: {decided.reason}")
        lines += [f"not reused: {difference}" for difference in decided.differences]
    return lines


def _attachment_lines(attachment: Attachment | None) -> list[str]:
    if attachment is None:
        return []
    where = attachment.place or attachment.target_id or "nowhere"
    discount = f" as {attachment.discount_id}" if attachment.discount_id else ""
    when = (
        f" since {attachment.attached_at:%Y-%m-%d %H:%M:%S} UTC" if attachment.attached_at else ""
    )
    lines = [f"discount {attachment.outcome} on {where}{discount}{when}: {attachment.reason}"]
    if attachment.phases:
        begin = [f"{datetime.fromtimestamp(each, UTC):%Y-%m-%d}" for each in attachment.phases]
        lines.append(f"put on the phases that begin on {', '.join(begin)}")
    return lines


def _replacement_lines(replacements: Iterable[Replacement]) -> list[str]:
    """What was there before, the oldest first."""
    return [
        f"replaced by request {_at(each.replaced_at)}: Stripe coupon "
        f"{each.old_coupon_id or 'that the ledger does not remember'}"
        f"{f' ({each.old_discount_id})' if each.old_discount_id else ''} made room for "
        f"{each.new_coupon_id}"
        for each in replacements
    ]


def _problem_lines(snapshot: Snapshot, problems: list[NotedProblem]) -> list[str]:
    mine = (snapshot.scope.order_id, snapshot.scope.order_item_id, snapshot.quote_coupon_id)
    return [
        f"{problem.code}: {problem.message} {problem.fix}"
        for problem in problems
        if (problem.order_id, problem.order_item_id, problem.quote_coupon_id) == mine
    ]


def _without_snapshot(
    order: Order, snapshots: list[Snapshot], problems: list[NotedProblem], names: RecordNames
) -> list[Chapter]:
    """What was reported about a coupon that has no snapshot, such as a late association."""
    known = {(s.scope.order_id, s.scope.order_item_id, s.quote_coupon_id) for s in snapshots}
    return [
        Chapter(
            problem.quote_coupon_id or "",
            problem.order_item_id,
            f"{_capital(names.quote_coupon(problem.quote_coupon_id or ''))} is not granted",
            (f"{problem.code}: {problem.message} {problem.fix}",),
        )
        for problem in problems
        if problem.order_id == order.order_id
        and (problem.order_id, problem.order_item_id, problem.quote_coupon_id) not in known
    ]


def _at(moment: datetime | None) -> str:
    return "at an unknown time" if moment is None else f"at {moment:%Y-%m-%d %H:%M:%S} UTC"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
