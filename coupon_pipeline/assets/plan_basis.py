"""What a plan rests on besides Stripe: settings, the ledger's decisions, Salesforce's rows.

Each part has a name, so that a refusal says what has changed. Times of reading are left out, and
so is what Salesforce counts as a change of a record that no decision looks at.
"""

from collections import defaultdict
from collections.abc import Mapping

from coupon_pipeline.domain.mapping import CouponMapping
from coupon_pipeline.domain.planned_writes import digest_of
from coupon_pipeline.domain.records import RawFields, Selection
from coupon_pipeline.ledger import Ledger, decisions, source
from coupon_pipeline.ledger.problems import read_sync_records
from coupon_pipeline.ledger.writes import read_open_intents
from coupon_pipeline.settings import Settings

_SETTINGS = (
    "salesforce_namespace",
    "coupon_pipeline_default_currency",
    "coupon_pipeline_sync_start_date",
    "coupon_pipeline_write_back",
    "coupon_pipeline_metadata_prefix",
    "coupon_pipeline_stacking_order",
    "coupon_pipeline_uncertain_terms",
    "coupon_pipeline_apply_late",
    "coupon_pipeline_customer_discount",
    "coupon_pipeline_extra_currencies",
)
"""Those that decide what is written; none of them is a secret."""

_MOVING = frozenset(
    {
        "LastViewedDate",
        "LastReferencedDate",
        "SystemModstamp",
        "LastModifiedDate",
        "LastModifiedById",
    }
)
"""Fields that say when a record was touched, not what it says."""


def settings_basis(settings: Settings, mapping: CouponMapping) -> dict[str, str]:
    """The settings that decide, and the mapping."""
    basis = {name.upper(): str(getattr(settings, name)) for name in _SETTINGS}
    basis["SALESFORCE_INSTANCE_URL"] = settings.salesforce().instance_url
    basis["the mapping"] = mapping.mapping_hash
    return basis


def ledger_basis(ledger: Ledger, selection: Selection) -> dict[str, str]:
    """What the ledger has decided for the orders and for those on the same targets.

    To be taken before the stages of the plan, which add to it.
    """
    with ledger.reading() as tx:
        source.select_orders(tx, selection)
        source.select_orders_on_same_targets(tx)
        snapshots = decisions.read_snapshots(tx)
        attachments = decisions.read_attachments(tx)
        coupons = decisions.read_coupons(tx)
        told = read_sync_records(tx)
        intents = read_open_intents(tx)
    by_order: defaultdict[str, list[object]] = defaultdict(list)
    for snapshot in snapshots:
        made = attachments.get(snapshot.snapshot_id)
        row = made and (made.outcome, made.code, made.coupon_id, made.target_id, made.phases)
        granted = made is not None and made.granted
        by_order[snapshot.scope.order_id].append((snapshot.snapshot_id, granted, row or ()))
    for compound_id, record in sorted(told.items()):
        by_order[record.order_id].append((compound_id, record.status, record.message))
    basis = {f"the ledger on order {name}": digest_of(rows) for name, rows in by_order.items()}
    for coupon in coupons.values():
        row_of_coupon = (coupon.terms_hash, coupon.origin, coupon.metadata)
        basis[f"the ledger on Stripe coupon {coupon.coupon_id}"] = digest_of(row_of_coupon)
    if intents:
        open_writes = [(each.system, each.operation, each.target_id) for each in intents]
        basis["writes of which nobody knows the end"] = digest_of(open_writes)
    return basis


def salesforce_basis(ledger: Ledger, selection: Selection) -> dict[str, str]:
    """The rows of Salesforce that the stages of the plan have read."""
    with ledger.reading() as tx:
        source.select_orders(tx, selection)
        orders = source.read_orders(tx)
        items = source.read_items(tx)
        associations = source.read_associations(tx)
        copies = source.read_order_coupons(tx)
        quote_coupons = source.read_quote_coupons(tx)
    basis = {
        f"Order {o.order_number} ({o.order_id})": digest_of(
            (o.activated_at, o.quote_id, o.currency, o.quote_currency, o.stripe_id)
        )
        for o in orders
    }
    basis |= {f"OrderItem {item.order_item_id}": digest_of(item) for item in items}
    basis |= {f"association {each.association_id}": digest_of(each) for each in associations}
    basis |= {
        f"order coupon {c.order_coupon_id}": digest_of(
            (c.order_id, c.order_item_id, c.quote_coupon_id, c.stripe_id, _still(c.fields))
        )
        for c in copies
    }
    basis |= {
        f"quote coupon {c.quote_coupon_id}": digest_of(
            (c.currency, c.stripe_id, c.is_deleted, _still(c.fields))
        )
        for c in quote_coupons
    }
    return basis


def _still(fields: RawFields) -> Mapping[str, object]:
    return {name: value for name, value in fields.items() if name not in _MOVING}
