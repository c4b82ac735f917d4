"""Reads by set from an org over HTTP."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal

import pytest

from coupon_pipeline.domain.mapping import DEFAULT_MAPPING
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.salesforce import (
    SalesforceEdge,
    SalesforceUnavailable,
    bulk_queries,
)
from coupon_pipeline.salesforce.reading import JunctionsRead, OrdersRead
from coupon_pipeline.sandbox.calls import CallLog
from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.faults import FaultPlan, FaultRule
from coupon_pipeline.sandbox.salesforce import SalesforceService

DAY = date(2026, 3, 2)
PATHS = DEFAULT_MAPPING.paths


@dataclass(frozen=True)
class Deal:
    """An activated order with its quote, and one item for each line."""

    order_id: str
    quote_id: str
    line_ids: list[str]
    item_ids: list[str]


def a_deal(
    salesforce: SalesforceService,
    *,
    activated_at: str = "2026-03-02T09:30:00.000+0000",
    lines: int = 1,
    **order: object,
) -> Deal:
    (account_id,) = salesforce.insert("Account", [{"Name": "Acme"}])
    (quote_id,) = salesforce.insert("SBQQ__Quote__c", [{"SBQQ__Account__c": account_id}])
    line_ids = salesforce.insert("SBQQ__QuoteLine__c", [{"SBQQ__Quote__c": quote_id}] * lines)
    (product_id,) = salesforce.insert("Product2", [{"Name": "Seats"}])
    (book_id,) = salesforce.insert("Pricebook2", [{"Name": "Standard"}])
    (entry_id,) = salesforce.insert(
        "PricebookEntry",
        [
            {
                "Pricebook2Id": book_id,
                "Product2Id": product_id,
                "UnitPrice": 10,
                "Stripe_ID__c": "price_1",
            }
        ],
    )
    fields: Mapping[str, object] = {
        "AccountId": account_id,
        "SBQQ__Quote__c": quote_id,
        "Status": "Activated",
        "Type": "New",
        "EffectiveDate": "2026-04-01",
        "ActivatedDate": activated_at,
        "Stripe_ID__c": "sub_1",
        **order,
    }
    (order_id,) = salesforce.insert("Order", [fields])
    item_ids = salesforce.insert(
        "OrderItem",
        [
            {
                "OrderId": order_id,
                "PricebookEntryId": entry_id,
                "Quantity": 3,
                "SBQQ__QuoteLine__c": line_id,
                "Stripe_ID__c": f"si_{number}",
            }
            for number, line_id in enumerate(line_ids)
        ],
    )
    return Deal(order_id, quote_id, line_ids, item_ids)


def a_coupon(salesforce: SalesforceService, **fields: object) -> str:
    coupon: Mapping[str, object] = {
        "Name__c": "Spring",
        "Percent_Off__c": Decimal("12.5"),
        "Duration__c": "once",
        **fields,
    }
    return salesforce.insert("Quote_Stripe_Coupon__c", [coupon])[0]


def on_quote(salesforce: SalesforceService, quote_id: str, coupon_id: str) -> str:
    row = {"Quote__c": quote_id, "Quote_Stripe_Coupon__c": coupon_id}
    return salesforce.insert("Quote_Stripe_Coupon_Association__c", [row])[0]


def on_line(salesforce: SalesforceService, line_id: str, coupon_id: str) -> str:
    row = {"Quote_Line__c": line_id, "Quote_Stripe_Coupon__c": coupon_id}
    return salesforce.insert("Quote_Line_Stripe_Coupon_Association__c", [row])[0]


def all_orders(edge: SalesforceEdge, selection: Selection) -> OrdersRead:
    """All pages in one, by activation and id, as the ledger gives them back."""
    pages = list(edge.read_orders(selection))
    orders = {order.order_id: order for page in pages for order in page.orders}
    items = {item.order_item_id: item for page in pages for item in page.items}
    return OrdersRead(
        tuple(sorted(orders.values(), key=lambda order: (order.activated_at, order.order_id))),
        tuple(sorted(items.values(), key=lambda item: (item.order_id, item.order_item_id))),
    )


def all_junctions(
    edge: SalesforceEdge, selection: Selection, since: datetime | None, paths: Iterable[str]
) -> JunctionsRead:
    """All pages in one, by time and id."""
    pages = list(edge.read_junctions(selection, since, paths))
    associations = {a.association_id: a for page in pages for a in page.associations}
    copies = {c.order_coupon_id: c for page in pages for c in page.order_coupons}
    versions = {v.quote_coupon_id: v for page in pages for v in page.coupon_versions}
    return JunctionsRead(
        tuple(sorted(associations.values(), key=lambda a: (a.created_at, a.association_id))),
        tuple(sorted(copies.values(), key=lambda c: (c.created_at, c.order_coupon_id))),
        tuple(sorted(versions.values(), key=lambda v: (v.effective_at, v.quote_coupon_id))),
        max((page.watermark for page in pages if page.watermark), default=None),
    )


def test_an_order_is_read_with_its_items(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """Everything that later decisions rest on is there, typed."""
    deal = a_deal(salesforce, CurrencyIsoCode="EUR")

    read = all_orders(edge, Selection(DAY, DAY))

    (order,), (item,) = read.orders, read.items
    assert order.order_id == deal.order_id
    assert order.activated_at == datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    assert order.activation_day == DAY
    assert (order.quote_id, order.stripe_id, order.order_type) == (deal.quote_id, "sub_1", "New")
    assert (order.currency, order.quote_currency) == ("EUR", "USD")
    assert order.effective_date == date(2026, 4, 1)
    assert (item.order_id, item.order_item_id) == (deal.order_id, deal.item_ids[0])
    assert item.quote_line_id == deal.line_ids[0]
    assert (item.stripe_id, item.price_id, item.quantity) == ("si_0", "price_1", Decimal(3))


def test_a_selection_is_a_range_of_utc_days(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """The first and the last instant of a day belong to it, and drafts to none."""
    inside = [
        a_deal(salesforce, activated_at=moment).order_id
        for moment in ("2026-03-02T00:00:00.000+0000", "2026-03-03T23:59:59.000+0000")
    ]
    a_deal(salesforce, activated_at="2026-03-01T23:59:59.000+0000")
    a_deal(salesforce, activated_at="2026-03-04T00:00:00.000+0000")
    a_deal(salesforce, Status="Draft")

    read = all_orders(edge, Selection(DAY, DAY + timedelta(days=1)))

    assert [order.order_id for order in read.orders] == inside
    assert {item.order_id for item in read.items} == set(inside)


def test_named_orders_are_read_alone(salesforce: SalesforceService, edge: SalesforceEdge) -> None:
    """`--order` narrows the selection for orders, items and junctions alike."""
    first, second = a_deal(salesforce), a_deal(salesforce)
    coupon = a_coupon(salesforce)
    wanted = on_quote(salesforce, first.quote_id, coupon)
    on_quote(salesforce, second.quote_id, coupon)
    selection = Selection(DAY, DAY, (first.order_id[:15],))

    orders = all_orders(edge, selection)
    junctions = all_junctions(edge, selection, None, PATHS)

    assert [order.order_id for order in orders.orders] == [first.order_id]
    assert [item.order_item_id for item in orders.items] == first.item_ids
    assert [each.association_id for each in junctions.associations] == [wanted]


def test_associations_of_both_levels_are_read(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """A coupon on a quote discounts the order, one on a quote line its item."""
    deal, other = a_deal(salesforce, lines=2), a_deal(salesforce, Status="Draft")
    coupon = a_coupon(salesforce)
    of_order = on_quote(salesforce, deal.quote_id, coupon)
    of_item = on_line(salesforce, deal.line_ids[1], coupon)
    on_quote(salesforce, other.quote_id, coupon)

    read = all_junctions(edge, Selection(DAY, DAY), None, PATHS)

    assert {(each.level, each.association_id, each.parent_id) for each in read.associations} == {
        ("order", of_order, deal.quote_id),
        ("order_item", of_item, deal.line_ids[1]),
    }
    assert {each.quote_coupon_id for each in read.associations} == {coupon}
    assert {each.currency for each in read.associations} == {"USD"}


def test_deleted_associations_and_coupons_are_read_too(
    salesforce: SalesforceService, edge: SalesforceEdge, clock: Clock
) -> None:
    """What was signed holds, also when somebody tidied up afterwards."""
    deal = a_deal(salesforce)
    coupon, gone = a_coupon(salesforce), a_coupon(salesforce)
    association = on_quote(salesforce, deal.quote_id, coupon)
    clock.advance(timedelta(days=3))
    salesforce.delete("Quote_Stripe_Coupon_Association__c", association)
    salesforce.delete("Quote_Stripe_Coupon__c", gone)

    read = all_junctions(edge, Selection(DAY, DAY), None, PATHS)

    (found,) = read.associations
    assert found.is_deleted
    assert found.deleted_at == clock.now()
    assert {each.quote_coupon_id: each.is_deleted for each in read.coupon_versions} == {
        coupon: False,
        gone: True,
    }


def test_order_coupons_of_orders_and_items_are_read(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """They are the best evidence of what was signed."""
    deal, coupon = a_deal(salesforce), a_coupon(salesforce)
    terms = {"Name__c": "Spring", "Amount_Off__c": 50, "Duration__c": "forever"}
    source = {"Quote_Stripe_Coupon_Id__c": coupon[:15]}
    on_order, on_item, stray = salesforce.insert(
        "Order_Stripe_Coupon__c",
        [
            {**terms, **source, "Order__c": deal.order_id},
            {**terms, **source, "Order_Item__c": deal.item_ids[0]},
            {**terms, "Quote_Stripe_Coupon_Id__c": "typed by hand", "Order__c": deal.order_id},
        ],
    )

    read = all_junctions(edge, Selection(DAY, DAY), None, PATHS)

    found = {each.order_coupon_id: each for each in read.order_coupons}
    assert set(found) == {on_order, on_item, stray}
    assert (found[on_order].order_id, found[on_order].order_item_id) == (deal.order_id, None)
    assert (found[on_item].order_id, found[on_item].order_item_id) == (None, deal.item_ids[0])
    assert found[on_order].quote_coupon_id == coupon
    assert found[stray].quote_coupon_id == "typed by hand"
    assert found[on_order].fields["Amount_Off__c"] == Decimal(50)
    assert found[on_order].fields["Duration__c"] == "forever"
    assert edge.read_quote_coupons(["typed by hand", ""], PATHS) == ()


@pytest.mark.parametrize("datetimes", ["utc", "offset"])
def test_a_job_reads_the_same_as_pages(
    salesforce: SalesforceService,
    datetimes: Literal["utc", "offset"],
    edge: SalesforceEdge,
    calls: CallLog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was signed does not depend on how many orders there are."""
    deal, coupon = a_deal(salesforce, lines=2), a_coupon(salesforce)
    on_quote(salesforce, deal.quote_id, coupon)
    gone = on_line(salesforce, deal.line_ids[0], coupon)
    salesforce.delete("Quote_Line_Stripe_Coupon_Association__c", gone)
    terms = {
        "Name__c": 'Spring, "new"',
        "Amount_Off__c": Decimal("50.5"),
        "Order__c": deal.order_id,
    }
    salesforce.insert("Order_Stripe_Coupon__c", [{**terms, "Quote_Stripe_Coupon_Id__c": coupon}])
    selection = Selection(DAY, DAY)
    orders = all_orders(edge, selection)
    junctions = all_junctions(edge, selection, None, PATHS)

    monkeypatch.setattr(bulk_queries, "LEAST_ROWS", 0)
    salesforce.org.switches.salesforce_csv_datetimes = datetimes

    assert all_orders(edge, selection) == orders
    assert all_junctions(edge, selection, None, PATHS) == junctions
    assert len(junctions.associations) == 2
    assert len(junctions.order_coupons) == 1
    jobs = [call for call in calls.all("salesforce") if call.path.endswith("/jobs/query")]
    assert len(jobs) == 5  # orders, items, both kinds of associations, copies on orders


def test_all_readable_fields_are_kept_without_namespace(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """A later mapping derives again from what was frozen, so nothing may be left out."""
    (campaign,) = salesforce.insert("Campaign", [{"Name": "Spring sale"}])
    coupon = a_coupon(
        salesforce, Campaign__c=campaign, Region__c="EMEA", Is_Partner_Deal__c=True, Budget__c=1.5
    )

    read = all_junctions(
        edge, Selection(DAY, DAY), None, (*PATHS, "Campaign__r.Name", "Partner__r.Name")
    )

    (version,) = read.coupon_versions
    assert version.quote_coupon_id == coupon
    assert version.currency == "USD"
    fields = version.fields
    assert fields["Percent_Off__c"] == Decimal("12.5")
    assert fields["Amount_Off__c"] is None
    assert fields["Region__c"] == "EMEA"
    assert fields["Is_Partner_Deal__c"] is True
    assert fields["Campaign__c"] == campaign
    assert fields["Campaign__r.Name"] == "Spring sale"
    assert fields["Partner__r.Name"] is None
    assert not any("stripeConnector" in name for name in fields)


@pytest.mark.parametrize("namespace", ["", "QaStripeConnect"])
def test_any_namespace_gives_the_same_records(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """One mapping and one ledger serve every installation of the package."""
    deal, coupon = a_deal(salesforce), a_coupon(salesforce)
    on_quote(salesforce, deal.quote_id, coupon)

    assert all_orders(edge, Selection(DAY, DAY)).orders[0].stripe_id == "sub_1"
    read = all_junctions(edge, Selection(DAY, DAY), None, PATHS)
    assert read.associations[0].quote_coupon_id == coupon
    assert read.coupon_versions[0].fields["Name__c"] == "Spring"


@pytest.mark.parametrize("multi_currency", [False])
def test_an_org_with_a_single_currency_has_no_currency_codes(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """The field does not exist there; asking for it would be refused."""
    deal, coupon = a_deal(salesforce), a_coupon(salesforce)
    on_quote(salesforce, deal.quote_id, coupon)

    assert not edge.read_org().is_multi_currency
    order = all_orders(edge, Selection(DAY, DAY)).orders[0]
    read = all_junctions(edge, Selection(DAY, DAY), None, PATHS)

    assert (order.currency, order.quote_currency) == (None, None)
    assert read.associations[0].currency is None
    assert read.coupon_versions[0].currency is None
    assert edge.read_rates([DAY], today=DAY) == {}


def test_quote_coupons_are_read_again_when_they_changed(
    salesforce: SalesforceService, edge: SalesforceEdge, clock: Clock
) -> None:
    """Every run learns of every edit, also of coupons that no order at hand uses."""
    old, edited = a_coupon(salesforce), a_coupon(salesforce)
    clock.advance(timedelta(hours=1))
    new = a_coupon(salesforce)
    first = all_junctions(edge, Selection(DAY, DAY), None, PATHS)
    clock.advance(timedelta(hours=1))
    salesforce.update("Quote_Stripe_Coupon__c", edited, {"Name__c": "Summer"})

    second = all_junctions(edge, Selection(DAY, DAY), first.watermark, PATHS)
    third = all_junctions(edge, Selection(DAY, DAY), second.watermark, PATHS)

    assert {each.quote_coupon_id for each in first.coupon_versions} == {old, edited, new}
    versions = {each.quote_coupon_id: each for each in second.coupon_versions}
    assert set(versions) == {edited, new}
    assert versions[edited].fields["Name__c"] == "Summer"
    assert versions[edited].effective_at == clock.now()
    assert [each.quote_coupon_id for each in third.coupon_versions] == [edited]
    assert second.watermark == third.watermark == clock.now()


def test_a_change_that_became_visible_late_is_not_missed(
    salesforce: SalesforceService, edge: SalesforceEdge, clock: Clock
) -> None:
    """A row carries the stamp of when it was written and shows up when its transaction ends."""
    a_coupon(salesforce)
    before = all_junctions(edge, Selection(DAY, DAY), None, PATHS)
    assert before.watermark == clock.now()
    stamp = (clock.now() - timedelta(minutes=9)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    late = a_coupon(salesforce, CreatedDate=stamp)

    after = all_junctions(edge, Selection(DAY, DAY), before.watermark, PATHS)

    assert late in {each.quote_coupon_id for each in after.coupon_versions}
    assert after.watermark == before.watermark


def test_an_org_without_coupons_has_no_watermark(edge: SalesforceEdge) -> None:
    """Nothing was seen, so the next read must not skip anything."""
    assert all_junctions(edge, Selection(DAY, DAY), None, PATHS).watermark is None


def test_referenced_coupons_are_read_by_id(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """An order may use a coupon that has not changed for years; one that is gone is left out."""
    known, deleted = a_coupon(salesforce), a_coupon(salesforce)
    salesforce.delete("Quote_Stripe_Coupon__c", deleted)

    read = edge.read_quote_coupons([known[:15], deleted, "a1C000000000009EAA", known], PATHS)

    assert {each.quote_coupon_id: each.is_deleted for each in read} == {
        known: False,
        deleted: True,
    }


def test_days_of_activation_are_read_for_orders_by_id(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """`--order` without days has to find the partition."""
    deal = a_deal(salesforce, activated_at="2026-02-27T23:00:00.000+0000")
    draft = a_deal(salesforce, Status="Draft", ActivatedDate=None)

    assert edge.read_order_days([deal.order_id, draft.order_id]) == {
        deal.order_id: date(2026, 2, 27)
    }


def test_the_first_and_the_last_activation_are_found(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """Without days, a run is about all orders from the one to the other."""
    assert edge.activation_range() is None

    a_deal(salesforce)
    a_deal(salesforce, activated_at="2025-12-31T00:00:00.000+0000")

    found = edge.activation_range()
    assert found is not None
    assert found[0] == date(2025, 12, 31) < found[1]


def test_changed_orders_are_read_one_after_the_other(
    salesforce: SalesforceService, edge: SalesforceEdge, clock: Clock
) -> None:
    """Many orders share a stamp: the id decides where to go on, so none is skipped or repeated."""
    orders = {a_deal(salesforce).order_id for _ in range(5)}
    clock.advance(timedelta(minutes=1))
    orders.add(a_deal(salesforce).order_id)

    cursor, seen = None, list[str]()
    for _ in range(4):
        read = edge.read_changed_orders(cursor, limit=2)
        cursor = read.cursor
        seen += [change.record_id for change in read.changes]
    assert read.is_complete
    assert read.changes == ()
    assert set(seen) == orders
    assert len(seen) == 6


def test_the_orgs_rates_are_read_for_a_day(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """A dated rate holds from its first day until the next one begins."""
    salesforce.insert(
        "DatedConversionRate",
        [
            {"IsoCode": "EUR", "ConversionRate": Decimal(rate), "StartDate": day}
            for day, rate in (("2026-04-01", "0.4"), ("2026-03-01", "0.5"))
        ],
    )

    rates = edge.read_rates([date(2026, 2, 28), date(2026, 3, 1)], today=DAY)

    assert rates[date(2026, 2, 28)].source == "DatedConversionRate"
    assert rates[date(2026, 2, 28)].rates["EUR"] == Decimal("0.92")
    assert rates[date(2026, 3, 1)].rates["EUR"] == Decimal("0.5")
    assert rates[date(2026, 3, 1)].rates["USD"] == 1


def test_the_corporate_currency_needs_no_dated_rate(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """All others are against it; without it nothing could be converted."""
    rows = salesforce.store["DatedConversionRate"].rows
    (corporate,) = (key for key, row in rows.items() if row["IsoCode"] == "USD")
    del rows[corporate]

    rates = edge.read_rates([date(2026, 2, 28)], today=DAY)[date(2026, 2, 28)]

    assert rates.source == "DatedConversionRate"
    assert (rates.rates["USD"], rates.rates["EUR"]) == (Decimal(1), Decimal("0.92"))


def test_the_orgs_static_rates_serve_where_there_are_no_dated_ones(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """Not every multi-currency org has advanced currency management."""
    salesforce.integration_user.access.hide_object("DatedConversionRate")

    rates = edge.read_rates([date(2026, 2, 28)], today=DAY)[date(2026, 2, 28)]

    assert (rates.source, rates.as_of) == ("CurrencyType", DAY)
    assert rates.rates["EUR"] == Decimal("0.92")


def test_the_number_of_requests_does_not_grow_with_the_orders(
    salesforce: SalesforceService, edge: SalesforceEdge, calls: CallLog
) -> None:
    """Reads are by set: one request carries all first pages, then one for each further page."""
    coupon = a_coupon(salesforce)
    deals = [a_deal(salesforce) for _ in range(2)]
    for deal in deals:
        on_quote(salesforce, deal.quote_id, coupon)
    edge.read_org()
    before = edge.calls

    all_orders(edge, Selection(DAY, DAY))
    all_junctions(edge, Selection(DAY, DAY), None, PATHS)
    assert edge.calls - before == 2

    row = {"AccountId": None, "Status": "Activated", "ActivatedDate": "2026-03-02T09:00:00Z"}
    account = salesforce.all("Account")[0]["Id"]
    salesforce.insert("Order", [{**row, "AccountId": account}] * 4_500)
    before = edge.calls
    read = all_orders(edge, Selection(DAY, DAY))

    assert len(read.orders) == 4_502
    assert edge.calls - before == 3
    assert edge.calls == len(calls.all("salesforce"))


def test_long_lists_of_ids_are_cut_into_parts(
    salesforce: SalesforceService, edge: SalesforceEdge, calls: CallLog
) -> None:
    """A statement may not be longer than 100,000 characters."""
    wanted = [a_coupon(salesforce) for _ in range(3)]
    others = [f"a1C9{number:011d}" for number in range(5_000)]

    read = edge.read_quote_coupons([wanted[0], *others, *wanted[1:]], PATHS)

    assert {each.quote_coupon_id for each in read} == set(wanted)
    assert len(calls.all("salesforce")) == 2


@pytest.mark.parametrize("kind", ["server_error", "maintenance", "row_locked", "cut_after"])
def test_a_passing_fault_between_pages_loses_no_row(
    salesforce: SalesforceService,
    edge: SalesforceEdge,
    faults: FaultPlan,
    waited: list[float],
    kind: str,
) -> None:
    """The page is asked for again, by its own address."""
    account = salesforce.insert("Account", [{"Name": "Acme"}])[0]
    row = {"AccountId": account, "Status": "Activated", "ActivatedDate": "2026-03-02T09:00:00Z"}
    ids = salesforce.insert("Order", [row] * 4_100)
    faults.arm(FaultRule(service="salesforce", kind=kind, path="/query/01g", times=2))

    read = all_orders(edge, Selection(DAY, DAY))

    assert sorted(order.order_id for order in read.orders) == sorted(ids)
    assert len(waited) == 2


def test_an_outage_ends_in_an_error_that_says_so(
    edge: SalesforceEdge, faults: FaultPlan, waited: list[float]
) -> None:
    """The run stops with nothing lost; the next one finishes the work."""
    faults.arm(FaultRule(service="salesforce", kind="maintenance", times=None))

    with pytest.raises(SalesforceUnavailable) as caught:
        all_orders(edge, Selection(DAY, DAY))

    assert caught.value.code == "salesforce.unavailable"
    assert 0 < len(waited) < 10


def test_what_is_frozen_does_not_depend_on_the_order_of_rows(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """Salesforce promises no order, and a selection read twice must read the same."""
    coupon = a_coupon(salesforce)
    for _ in range(6):
        on_quote(salesforce, a_deal(salesforce).quote_id, coupon)

    first = (
        all_orders(edge, Selection(DAY, DAY)),
        all_junctions(edge, Selection(DAY, DAY), None, PATHS),
    )
    salesforce.org.switches.salesforce_row_order = "scattered"
    second = (
        all_orders(edge, Selection(DAY, DAY)),
        all_junctions(edge, Selection(DAY, DAY), None, PATHS),
    )

    assert first == second
