"""How fast associations become snapshots and terms: `python tests/benchmarks/snapshots.py [-n N]`.

First the decisions alone, then what the asset `coupon_snapshots` does with them: read the ledger,
decide, write it. Prints numbers and asserts nothing: they depend on the machine. The records are
made before the clock starts, and count in the memory, as does the sandbox that stands for the org.
"""

import argparse
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import click
import duckdb

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

ORG_ID = "00D000000000001EAA"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ASSOCIATIONS_AN_ORDER = 4
"""One on the quote and three on its lines."""
ORDERS_A_COUPON = 20
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=100_000, help="associations")
    count: int = parser.parse_args().n
    click.echo(
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, DuckDB {duckdb.__version__}, {count:,} associations"
    )
    records = make_records(count)
    report("memory with the records", memory())
    decide(records)
    with tempfile.TemporaryDirectory() as folder:
        through_the_ledger(records, Path(folder))


def decide(records: Records) -> None:
    """The pure part."""
    began = time.perf_counter()
    taken = take_snapshots(
        ORG_ID,
        orders=records.orders,
        items=records.items,
        associations=records.associations,
        order_coupons=records.order_coupons,
        versions=records.versions,
        frozen={},
    )
    snapshots_at = time.perf_counter()
    derived = derive_all(taken.new, parse_mapping(MAPPING), DeriveOptions())
    ended = time.perf_counter()
    report("snapshots", snapshots_at - began, "s")
    report("terms", ended - snapshots_at, "s")
    report("both", ended - began, "s")
    report("highest memory of the process", memory())
    usable = sum(isinstance(each, DerivedCoupon) for each in derived.values())
    click.echo(f"{len(taken.new):,} snapshots, {usable:,} with terms")


def through_the_ledger(records: Records, folder: Path) -> None:
    """What the asset does, with the records in DuckDB: the first run, and one with nothing new."""
    ledger = Ledger(folder / "ledger.duckdb")
    days = sorted(order.activation_day for order in records.orders)
    selection = Selection(days[0], days[-1])
    began = time.perf_counter()
    with ledger.transaction() as tx:
        source.record_orders(tx, selection, records.orders, records.items)
        source.record_junctions(tx, selection, records.associations, records.order_coupons)
        source.record_coupons(tx, records.versions, is_edit)
    report("records into the ledger", time.perf_counter() - began, "s")
    with Sandbox(company=False) as sandbox:
        os.environ.update(sandbox.addresses.environment())
        settings = load_settings()
        with closing(open_salesforce(settings)) as salesforce:
            salesforce.read_org()
            for run_id in ("first run of the asset", "second run, nothing new"):
                began = time.perf_counter()
                freeze_snapshots(
                    Run(run_id, selection), ledger, salesforce, settings, parse_mapping(MAPPING)
                )
                report(run_id, time.perf_counter() - began, "s")
    report("highest memory of the process", memory())


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


def memory() -> float:
    """The most that the process has had so far, in MiB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1024 if sys.platform == "linux" else most / 1024**2


def report(what: str, number: float, unit: str = "MiB") -> None:
    """One line."""
    click.echo(f"{what:32} {number:12,.2f} {unit}")


if __name__ == "__main__":
    main()
