"""How fast associations become snapshots and terms.

First the decisions alone, then what the asset `coupon_snapshots` does with them: read the ledger,
decide, write it. Each part runs in a process of its own, so that memory is that of the part: not of
the records' making, nor of the sandbox that stands for the org. Processor seconds are of all
threads; on a machine that others use too they say more than the seconds.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from coupon_pipeline.assets.coupon_snapshots import freeze_snapshots
from coupon_pipeline.assets.resources import open_salesforce
from coupon_pipeline.assets.run import Run
from coupon_pipeline.domain.derivation import DerivedCoupon, DeriveOptions, derive_all
from coupon_pipeline.domain.mapping import parse_mapping
from coupon_pipeline.domain.records import (
    Association,
    CouponVersion,
    Order,
    OrderCoupon,
    OrderItem,
    RawFields,
    Selection,
)
from coupon_pipeline.domain.snapshots import COPIED_FIELDS, take_snapshots
from coupon_pipeline.domain.versions import is_edit
from coupon_pipeline.ledger import Ledger, source
from coupon_pipeline.sandbox.serving import Sandbox
from coupon_pipeline.settings import load_settings
from tests.benchmarks.measuring import Numbers, call, measured, take_settings, told
from tests.benchmarks.options import Options
from tests.benchmarks.report import Number

ORG_ID = "00D000000000001EAA"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ASSOCIATIONS_AN_ORDER = 4
"""One on the quote and three on its lines."""
ORDERS_A_COUPON = 20
SELECTION = Selection(BEGIN.date(), date(2036, 1, 1))
MAPPING = """
[coupon.metadata]
region = "Region__c"
campaign = "Campaign__r.Name"
"""


@dataclass(frozen=True)
class Records:
    """What the pipeline would have read."""

    orders: Sequence[Order]
    items: Sequence[OrderItem]
    associations: Sequence[Association]
    order_coupons: Sequence[OrderCoupon]
    versions: Sequence[CouponVersion]


def measure(options: Options) -> Iterator[Number]:
    """The decisions alone, and the asset with what it reads from and writes to the ledger."""
    count = str(options.associations)
    with Sandbox(company=False) as sandbox, tempfile.TemporaryDirectory() as folder:
        environment = "\n".join(f"{k}={v}" for k, v in sandbox.addresses.environment().items())
        numbers = {
            **call("tests.benchmarks.snapshots:decide", count),
            **call("tests.benchmarks.snapshots:fill", count, folder),
            **call("tests.benchmarks.snapshots:freeze", count, environment, folder),
        }
    wanted = {"the asset: seconds": "under 10", "the asset: peak MiB": "under 600"}
    yield from told(f"{options.associations:,} associations", numbers, wanted)


def decide(count: str) -> Numbers:
    """The pure part, with all records and their snapshots in memory at once."""
    records = make_records(int(count))
    numbers: Numbers = {}
    with measured(numbers, "decisions alone"):
        taken = take_snapshots(
            ORG_ID,
            orders=records.orders,
            items=records.items,
            associations=records.associations,
            order_coupons=records.order_coupons,
            versions=records.versions,
            frozen={},
        )
        derived = derive_all(taken.new, parse_mapping(MAPPING), DeriveOptions())
    numbers["snapshots with terms"] = sum(
        isinstance(each, DerivedCoupon) for each in derived.values()
    )
    return numbers


def fill(count: str, folder: str) -> Numbers:
    """A ledger with what would have been read."""
    records = make_records(int(count))
    numbers: Numbers = {}
    with measured(numbers, "records into the ledger"), Ledger(_path(folder)).transaction() as tx:
        source.record_orders(tx, SELECTION, records.orders, records.items)
        source.record_junctions(tx, SELECTION, records.associations, records.order_coupons)
        source.record_coupons(tx, records.versions, is_edit)
    return numbers


def freeze(count: str, environment: str, folder: str) -> Numbers:
    """What the asset does: read the ledger, decide, write it; and again with nothing new."""
    take_settings(environment)
    settings, ledger, mapping = load_settings(), Ledger(_path(folder)), parse_mapping(MAPPING)
    numbers: Numbers = {}
    with closing(open_salesforce(settings)) as salesforce:
        salesforce.read_org()
        for run_id in ("the asset", "the asset again, nothing new"):
            with measured(numbers, run_id):
                report = freeze_snapshots(
                    Run(run_id, SELECTION), ledger, salesforce, settings, mapping
                )
            assert report.totals["snapshots"] == int(count), "each association is one snapshot"
    return numbers


def _path(folder: str) -> Path:
    return Path(folder) / "ledger.duckdb"


def make_records(count: int) -> Records:
    """Orders with one coupon on the quote and one on each of three lines; half without copies."""
    orders, items, associations, copies = [], [], [], []
    number_of_orders = max(count // ASSOCIATIONS_AN_ORDER, 1)
    coupons = [an_id("a1C", n) for n in range(number_of_orders // ORDERS_A_COUPON + 4)]
    versions = [a_version(coupon, n) for n, coupon in enumerate(coupons)]
    for n in range(number_of_orders):
        order = an_order(n)
        orders.append(order)
        for line in range(ASSOCIATIONS_AN_ORDER):
            version = versions[n // ORDERS_A_COUPON + line]
            parent = order.quote_id if line == 0 else an_id("aQL", n * 4 + line)
            item_id = None if line == 0 else an_id("802", n * 4 + line)
            associations.append(an_association(n * 4 + line, str(parent), version, line=line > 0))
            if item_id is not None:
                items.append(
                    OrderItem(item_id, order.order_id, parent, None, None, Decimal(1), BEGIN)
                )
            if n % 2:
                copies.append(a_copy(n * 4 + line, order, item_id, version))
    return Records(orders, items, associations, copies, versions)


def an_id(prefix: str, number: int) -> str:
    """An id of 18 characters."""
    return f"{prefix}{number:015d}"


def an_order(number: int) -> Order:
    """Activated one minute after the one before."""
    activated_at = BEGIN + timedelta(days=1, minutes=number)
    return Order(
        order_id=an_id("801", number),
        order_number=f"{number:08d}",
        activated_at=activated_at,
        modified_at=activated_at,
        account_id=None,
        quote_id=an_id("aQU", number),
        contract_id=None,
        currency="USD",
        quote_currency="USD",
        stripe_id=None,
        order_type="New",
        effective_date=activated_at.date(),
    )


def an_association(number: int, parent: str, version: CouponVersion, *, line: bool) -> Association:
    """Made before every activation."""
    return Association(
        association_id=an_id("a1F" if line else "a1E", number),
        level="order_item" if line else "order",
        parent_id=parent,
        quote_coupon_id=version.quote_coupon_id,
        created_at=BEGIN,
        currency="USD",
        is_deleted=False,
    )


def a_version(coupon_id: str, number: int) -> CouponVersion:
    """Half of the coupons are percentages and half are amounts."""
    fields: RawFields = {
        "Id": coupon_id,
        "Name": f"{number:04d}",
        "Name__c": f"Coupon {number}",
        "Percent_Off__c": Decimal(10) if number % 2 else None,
        "Amount_Off__c": None if number % 2 else Decimal(50),
        "Duration__c": "repeating",
        "Duration_In_Months__c": Decimal(3),
        "Max_Redemptions__c": None,
        "CurrencyIsoCode": "USD",
        "Region__c": "EMEA",
        "Campaign__r.Name": f"Campaign {number % 10}",
        **{f"Other_Field_{n}__c": None for n in range(20)},
    }
    return CouponVersion(coupon_id, BEGIN, BEGIN, "USD", None, is_deleted=False, fields=fields)


def a_copy(number: int, order: Order, item_id: str | None, version: CouponVersion) -> OrderCoupon:
    """What the trigger left."""
    return OrderCoupon(
        order_coupon_id=an_id("a1D", number),
        order_id=None if item_id else order.order_id,
        order_item_id=item_id,
        quote_coupon_id=version.quote_coupon_id,
        created_at=order.activated_at,
        modified_at=order.activated_at,
        stripe_id=None,
        fields={name: version.fields[name] for name in COPIED_FIELDS},
    )
