"""A ledger made again from both systems.

Salesforce gives the orders and the coupons as they stood, Stripe the coupons with the metadata that
says what each was made from, and the proofs of what was attached. Nothing is written to either.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from coupon_pipeline.assets.activated_orders import extract_orders
from coupon_pipeline.assets.coupon_attachments import FoundTargets, find_attachments
from coupon_pipeline.assets.coupon_junctions import extract_junctions
from coupon_pipeline.assets.coupon_snapshots import freeze_snapshots
from coupon_pipeline.assets.resources import open_salesforce, open_stripe, read_mapping
from coupon_pipeline.assets.run import Run, now
from coupon_pipeline.assets.stripe_coupons import pin_account
from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.mapping import RECORD_KEYS, TERMS_KEY, CouponMapping
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.domain.reuse import StripeCoupon, terms_of_stripe
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.terms import coupon_id, terms_hash
from coupon_pipeline.ledger import Ledger, LedgerError, decisions, source
from coupon_pipeline.ledger.decisions import CouponDecision, RecordedCoupon
from coupon_pipeline.ledger.evidence import append_entries, chain_faults, read_entries, read_head
from coupon_pipeline.ledger.problems import SyncRecord, record_sync_records
from coupon_pipeline.ledger.rows import json_text
from coupon_pipeline.ledger.runs import Calls, finish_run
from coupon_pipeline.ledger.writes import WriteOutcome, read_open_intents, record_outcomes
from coupon_pipeline.salesforce import SalesforceEdge
from coupon_pipeline.settings import Settings

EVERYTHING = Selection(date(1990, 1, 1), date(9999, 12, 31))
_AGAIN = "Found again in Stripe, made from the same terms."


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was found."""

    run_id: str
    orders: int = 0
    snapshots: int = 0
    coupons: int = 0
    attachments: int = 0
    evidence: int = 0
    """Entries that were taken over from the old ledger."""
    evidence_refused: str | None = None
    """Why none was taken over, where there is an old ledger."""
    unread_targets: int = 0
    """Could not be read just now: the next run reads them."""
    edited: tuple[str, ...] = ()
    """Stripe coupons that say they are ours and are not what they were made as."""
    calls: Calls = field(default_factory=lambda: Calls(0, 0, 0))

    def as_json(self) -> dict[str, object]:
        """The document that `rebuild-ledger --json` prints."""
        return asdict(self)


def replace_ledger(settings: Settings, ledger: Ledger) -> tuple[Rebuilt, Path | None]:
    """Make the ledger again, and put it in the place of the old one, which is kept aside.

    Returns:
        What was found, and the name of the old file, if there was one.

    Raises:
        SalesforceError, StripeEdgeError, LedgerError, SettingsError, MappingError: the old file
            stays where it is.
    """
    with ledger.load_lock():
        made_again = ledger.rebuilding()
        rebuilt = rebuild(settings, made_again)
        rebuilt = _with_evidence(ledger, made_again, rebuilt)
        with made_again.transaction() as tx:
            finish_run(tx, rebuilt.run_id, json_text(rebuilt.as_json()))
        return rebuilt, ledger.give_way_to(made_again, now())


def _with_evidence(old: Ledger, new: Ledger, rebuilt: Rebuilt) -> Rebuilt:
    """The chain of a ledger that can still be read and is unbroken goes on in the new one.

    What its open writes came to was seen, as everything was read.
    """
    if not old.exists:
        return rebuilt
    try:
        with old.reading() as tx:
            entries, head = read_entries(tx), read_head(tx)
    except LedgerError as error:
        return replace(rebuilt, evidence_refused=error.message)
    if faults := chain_faults(entries, head):
        why = f"The chain is broken: entry {faults[0].number} {faults[0].what}."
        return replace(rebuilt, evidence_refused=why)
    with new.transaction() as tx:
        append_entries(tx, [entry.cells for entry in entries])
        if not rebuilt.unread_targets:
            why = "found out by reading everything for a new ledger"
            record_outcomes(
                tx,
                [
                    WriteOutcome(each.intent_id, "settled", None, why, now(), rebuilt.run_id)
                    for each in read_open_intents(tx)
                ],
            )
    return replace(rebuilt, evidence=len(entries))


@dataclass(frozen=True, slots=True)
class SystemsRead:
    """Everything that was read for a new ledger, also what a ledger has no place for."""

    rebuilt: Rebuilt
    coupons: Mapping[str, StripeCoupon]
    """Every coupon of the account, by id."""
    targets: FoundTargets


def rebuild(settings: Settings, ledger: Ledger) -> Rebuilt:
    """Fill a new ledger with what both systems hold; raises as `read_systems`."""
    return read_systems(settings, ledger).rebuilt


def read_systems(settings: Settings, ledger: Ledger) -> SystemsRead:
    """Read both systems, by set and in pages of 100, into a new ledger.

    Raises:
        SalesforceError, StripeEdgeError, LedgerError, SettingsError, MappingError: nothing is
            lost; what was filled so far is of no use.
    """
    mapping = read_mapping(settings)
    run_id = f"rebuild-{uuid4()}"
    with (
        closing(open_salesforce(settings)) as salesforce,
        closing(open_stripe(settings)) as stripe,
    ):
        activations = salesforce.activation_range()
        first, last = activations or (now().date(), now().date())
        run = Run(run_id, Selection(max(first, settings.first_day), max(last, settings.first_day)))
        extract_orders(run, ledger, salesforce, settings, mapping)
        pin_account(ledger, stripe)
        extract_junctions(run, ledger, salesforce, mapping)
        freeze_snapshots(run, ledger, salesforce, settings, mapping)
        listed = {each.coupon_id: each for each in stripe.list_coupons()}
        edited = _find_coupons(run, ledger, salesforce, listed.values(), settings, mapping)
        targets = find_attachments(run, ledger, stripe, settings)
        _find_sync_records(run, ledger, salesforce)
        with ledger.reading() as tx:
            source.select_orders(tx, EVERYTHING)
            rebuilt = Rebuilt(
                run_id,
                orders=len(source.read_orders(tx)),
                snapshots=len(decisions.read_snapshots(tx)),
                coupons=len(decisions.read_all_coupons(tx)),
                attachments=sum(each.granted for each in decisions.read_attachments(tx).values()),
                unread_targets=len(targets.unread),
                edited=tuple(sorted(edited)),
                calls=Calls(salesforce.calls, stripe.calls.reads, stripe.calls.writes),
            )
    return SystemsRead(rebuilt, listed, targets)


def _find_coupons(
    run: Run,
    ledger: Ledger,
    salesforce: SalesforceEdge,
    listed: Iterable[StripeCoupon],
    settings: Settings,
    mapping: CouponMapping,
) -> set[str]:
    """Record the account's coupons that their metadata calls ours, and who uses them.

    Returns:
        Ids of those that are not what they were made as.
    """
    org_id = salesforce.read_org().org_id
    with ledger.reading() as tx:
        source.select_orders(tx, run.selection)
        named = {each.stripe_id for each in source.read_order_coupon_links(tx)}
        named |= {each.stripe_id for each in source.read_quote_coupons(tx)}
    lineage = _Lineage(org_id, settings, frozenset(filter(None, named)))
    edited, known = set[str](), dict[tuple[str, str], StripeCoupon]()
    for coupon in listed:
        key = lineage.key_of(coupon)
        if key is None:
            continue
        if terms_hash(terms_of_stripe(coupon)) != key[1]:
            edited.add(coupon.coupon_id)
        elif key not in known or lineage.is_derived(coupon, key):
            known[key] = coupon
    with ledger.reading() as tx:
        source.select_orders(tx, run.selection)
        snapshots = decisions.read_snapshots(tx)
        terms = decisions.read_terms(tx, snapshots)
    users = _users(snapshots, terms)
    recorded = [
        RecordedCoupon(
            quote_coupon_id=key[0],
            terms_hash=key[1],
            coupon_id=coupon.coupon_id,
            origin="created" if lineage.is_derived(coupon, key) else "adopted",
            reason=_AGAIN,
            terms=terms_of_stripe(coupon),
            metadata=_ours(coupon.metadata, users.get(key, ()), terms, lineage),
            mapping_hash=mapping.mapping_hash,
            first_order_id=users[key][0].scope.order_id if key in users else "",
            recorded_at=now(),
            run_id=run.run_id,
        )
        for key, coupon in known.items()
    ]
    with ledger.transaction() as tx:
        decisions.record_coupons(tx, recorded)
        decisions.record_coupon_decisions(tx, _reuses(run, users, known))
    return edited


class _Lineage:
    """Tells from the metadata of a Stripe coupon which quote coupon and terms it was made from."""

    def __init__(self, org_id: str, settings: Settings, named: frozenset[str]) -> None:
        """`named` are the Stripe ids that the org's coupon records name."""
        self._org_id = org_id
        self._named = named
        self._host = urlsplit(settings.salesforce().instance_url).netloc
        prefix = settings.coupon_pipeline_metadata_prefix
        self._id_key, self._link_key = (prefix + key for key in RECORD_KEYS)

    @property
    def keys(self) -> frozenset[str]:
        """The metadata keys that are ours whatever the mapping says."""
        return frozenset({self._id_key, self._link_key, TERMS_KEY})

    def key_of(self, coupon: StripeCoupon) -> tuple[str, str] | None:
        """Quote coupon and terms hash, if it is a coupon of this org that the pipeline knew.

        An id that follows from the org is proof. An adopted coupon is named by the org's records,
        or its link leads to the org.
        """
        quote_coupon_id = coupon.metadata.get(self._id_key)
        hashed = coupon.metadata.get(TERMS_KEY)
        if not quote_coupon_id or not hashed:
            return None
        key = quote_coupon_id, hashed
        link = urlsplit(coupon.metadata.get(self._link_key, ""))
        if self.is_derived(coupon, key):
            return key
        adopted = coupon.coupon_id in self._named or link.netloc == self._host
        return key if adopted and not coupon.coupon_id.startswith("sf-") else None

    def is_derived(self, coupon: StripeCoupon, key: tuple[str, str]) -> bool:
        """Whether its id follows from this org, the quote coupon and the terms."""
        return coupon.coupon_id == coupon_id(self._org_id, *key)


def _users(
    snapshots: Iterable[Snapshot], terms: Mapping[str, object]
) -> dict[tuple[str, str], list[Snapshot]]:
    """The snapshots of each key, the order that was activated first before the others."""
    users: dict[tuple[str, str], list[Snapshot]] = {}
    for snapshot in sorted(snapshots, key=lambda s: (s.activated_at, s.snapshot_id)):
        derived = terms[snapshot.snapshot_id]
        if isinstance(derived, DerivedCoupon):
            key = derived.quote_coupon_id, derived.terms_hash
            users.setdefault(key, []).append(snapshot)
    return users


def _ours(
    metadata: Mapping[str, str],
    users: Iterable[Snapshot],
    terms: Mapping[str, object],
    lineage: _Lineage,
) -> dict[str, str]:
    """The keys that we wrote: the fixed ones, and those that the mapping makes for its users."""
    derived = (terms[user.snapshot_id] for user in users)
    mapped = {key for each in derived if isinstance(each, DerivedCoupon) for key in each.metadata}
    return {key: value for key, value in metadata.items() if key in lineage.keys | mapped}


def _reuses(
    run: Run,
    users: Mapping[tuple[str, str], Iterable[Snapshot]],
    known: Mapping[tuple[str, str], StripeCoupon],
) -> Iterator[CouponDecision]:
    for key, coupon in known.items():
        limit = coupon.max_redemptions
        for snapshot in users.get(key, ()):
            yield CouponDecision(
                snapshot_id=snapshot.snapshot_id,
                decision="reuse",
                coupon_id=coupon.coupon_id,
                code=None,
                reason=_AGAIN,
                differences=(),
                redemptions_left=None if limit is None else limit - coupon.times_redeemed,
                decided_at=now(),
                run_id=run.run_id,
            )


def _find_sync_records(run: Run, ledger: Ledger, salesforce: SalesforceEdge) -> None:
    """Record what Salesforce was told about the coupons of these orders.

    The connector's own records have ids of another form.
    """
    told = salesforce.read_sync_records()
    with ledger.transaction() as tx:
        source.select_orders(tx, run.selection)
        orders = {order.order_id: order.order_id for order in source.read_orders(tx)}
        orders |= {item.order_item_id: item.order_id for item in source.read_items(tx)}
        records = [
            SyncRecord(
                each.compound_id,
                orders[each.primary_record_id],
                "Error" if each.status == "Error" else "Resolved",
                each.message,
            )
            for each in told
            if each.primary_record_id in orders
            and each.compound_id.startswith(f"{each.primary_record_id}-")
        ]
        record_sync_records(tx, records, now())
