"""Creating, changing and deleting records, one by one and in collections."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)

from tests.sandbox.salesforce.orgs import (
    Served,
    a_coupon,
    a_deal,
    code_of,
    created,
    message_of,
    ns,
    of,
    rest,
)

COUPON = ns("Quote_Stripe_Coupon__c")
ORDER_COUPON = ns("Order_Stripe_Coupon__c")
STRIPE_ID = ns("Stripe_ID__c")


def test_a_new_record_has_an_id_with_checksum_and_system_fields(sf: Salesforce) -> None:
    """18 characters with the object's key prefix; stamps in whole seconds."""
    account = created(of(sf, "Account").create({"Name": "Acme"}))

    row = of(sf, "Account").get(account)

    assert account.startswith("001")
    assert len(account) == 18
    assert row["CreatedDate"] == "2026-09-01T10:00:00.000+0000"
    assert row["SystemModstamp"] == row["LastModifiedDate"] == row["CreatedDate"]
    assert row["CurrencyIsoCode"] == "USD"
    assert row["attributes"]["url"] == f"/services/data/v59.0/sobjects/Account/{account}"
    assert of(sf, "Account").get(account[:15])["Id"] == account


def test_an_edit_moves_the_stamps_of_a_quote_coupon(org: Served, sf: Salesforce) -> None:
    """Coupon versions are told apart by LastModifiedDate."""
    coupon = a_coupon(sf)
    org.clock.advance(timedelta(minutes=3))

    assert of(sf, COUPON).update(coupon, {ns("Percent_Off__c"): 12.5}) == 204

    row = of(sf, COUPON).get(coupon)
    assert row[ns("Percent_Off__c")] == 12.5
    assert row["CreatedDate"] == "2026-09-01T10:00:00.000+0000"
    assert row["LastModifiedDate"] == row["SystemModstamp"] == "2026-09-01T10:03:00.000+0000"


def test_custom_fields_of_every_type_are_kept(sf: Salesforce) -> None:
    """A mapping may point at any of them."""
    campaign = created(of(sf, "Campaign").create({"Name": "Autumn"}))
    coupon = a_coupon(
        sf,
        Campaign__c=campaign,
        Redeem_By__c="2026-12-31",
        Valid_Until__c="2026-12-31T23:59:59+01:00",
        Stripe_Products__c="prod_1,prod_2",
        Region__c="EMEA",
        Is_Partner_Deal__c=True,
        Budget__c="1500.25",
    )

    soql = (
        "SELECT Campaign__r.Name, Redeem_By__c, Valid_Until__c, Stripe_Products__c, Region__c, "
        f"Is_Partner_Deal__c, Budget__c FROM {COUPON} WHERE Id = '{coupon}'"
    )
    [row] = sf.query(soql)["records"]

    assert row["Campaign__r"]["Name"] == "Autumn"
    assert row["Redeem_By__c"] == "2026-12-31"
    assert row["Valid_Until__c"] == "2026-12-31T22:59:59.000+0000"
    assert (row["Is_Partner_Deal__c"], row["Budget__c"]) == (True, 1500.25)
    assert (row["Stripe_Products__c"], row["Region__c"]) == ("prod_1,prod_2", "EMEA")


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("Account", {}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]"),
    ("Order", {"Status": "Draft"}, "REQUIRED_FIELD_MISSING", "[AccountId, EffectiveDate]"),
    (
        "Account",
        {"Name": "a", "Nope__c": 1},
        "INVALID_FIELD",
        "No such column 'Nope__c' on sobject of type Account",
    ),
    (
        "Account",
        {"Name": "a", "CreatedDate": "2020-01-01T00:00:00Z"},
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        "CreatedDate",
    ),
    ("Account", {"Name": "a" * 256}, "STRING_TOO_LONG", "data value too large"),
    (
        "Account",
        {"Name": "a", "CurrencyIsoCode": "ZZZ"},
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "ZZZ",
    ),
    (
        "Account",
        {"Name": "a", "ParentId": "nonsense"},
        "MALFORMED_ID",
        "id value of incorrect type: nonsense",
    ),
    (
        "Account",
        {"Name": "a", "ParentId": "001000000000000AAA"},
        "INVALID_CROSS_REFERENCE_KEY",
        "invalid cross reference id",
    ),
    ("Account", {"Name": "a", "ParentId": "003000000000000AAA"}, "MALFORMED_ID", "incorrect type"),
    (
        "Account",
        {"Name": "a", "AnnualRevenue": "many"},
        "JSON_PARSER_ERROR",
        "Cannot deserialize instance of currency",
    ),
    (
        "Account",
        {"Name": "a", "AnnualRevenue": 10**18},
        "NUMBER_OUTSIDE_VALID_RANGE",
        "outside of valid range",
    ),
    ("Account", {"Name": "a", "NumberOfEmployees": 1.5}, "JSON_PARSER_ERROR", "Cannot deserialize"),
    ("Campaign", {"Name": "a", "IsActive": None}, "JSON_PARSER_ERROR", "boolean"),
    ("Campaign", {"Name": "a", "StartDate": "soon"}, "JSON_PARSER_ERROR", "instance of date"),
    (
        COUPON,
        {ns("Percent_Off__c"): 10, ns("Duration__c"): "yearly"},
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "Duration: bad value for restricted picklist field: yearly",
    ),
    (
        COUPON,
        {ns("Percent_Off__c"): 10, ns("Duration__c"): None},
        "REQUIRED_FIELD_MISSING",
        ns("Duration__c"),
    ),
    (
        COUPON,
        {ns("Percent_Off__c"): 10, ns("Name__c"): "n" * 41},
        "STRING_TOO_LONG",
        "Coupon Name: data value too large",
    ),
    (COUPON, {"Name__c": "x"}, "INVALID_FIELD", "No such column 'Name__c'"),
    (
        ORDER_COUPON,
        {ns("Percent_Off__c"): 10},
        "REQUIRED_FIELD_MISSING",
        ns("Quote_Stripe_Coupon_Id__c"),
    ),
    ("CurrencyType", {"IsoCode": "NOK"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ""),
]


@pytest.mark.parametrize(("object_name", "body", "code", "message"), REFUSED)
def test_bad_values_are_refused_in_salesforces_words(
    sf: Salesforce, object_name: str, body: dict[str, Any], code: str, message: str
) -> None:
    """A kinder sandbox would let a bad write-back pass."""
    with pytest.raises(SalesforceMalformedRequest) as refused:
        of(sf, object_name).create(body)

    assert code_of(refused.value) in {code, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"}
    assert message in message_of(refused.value) or code == "INVALID_FIELD_FOR_INSERT_UPDATE"


def test_extra_decimals_are_kept_rounded_or_refused(org: Served, sf: Salesforce) -> None:
    """The real service's choice is unconfirmed, so it is a switch."""
    kept = a_coupon(sf, **{ns("Percent_Off__c"): 12.345})
    assert of(sf, COUPON).get(kept)[ns("Percent_Off__c")] == 12.345
    org.switches.salesforce_extra_decimals = "rounded"
    coupon = a_coupon(sf, **{ns("Percent_Off__c"): 12.345})
    assert of(sf, COUPON).get(coupon)[ns("Percent_Off__c")] == 12.35
    org.switches.salesforce_extra_decimals = "refused"

    with pytest.raises(SalesforceMalformedRequest) as refused:
        a_coupon(sf, **{ns("Percent_Off__c"): 12.345})

    assert code_of(refused.value) == "NUMBER_OUTSIDE_VALID_RANGE"


def test_a_deleted_record_answers_404_and_takes_its_details_along(sf: Salesforce) -> None:
    """Master-detail: a quote's associations go with it."""
    deal = a_deal(sf)

    assert of(sf, "SBQQ__Quote__c").delete(deal.quote) == 204

    with pytest.raises(SalesforceResourceNotFound) as gone:
        of(sf, "SBQQ__Quote__c").get(deal.quote)
    assert code_of(gone.value) == "ENTITY_IS_DELETED"
    with pytest.raises(SalesforceResourceNotFound):
        of(sf, "SBQQ__Quote__c").delete(deal.quote)
    for name in ("Quote_Stripe_Coupon_Association__c", "Quote_Line_Stripe_Coupon_Association__c"):
        soql = f"SELECT IsDeleted FROM {ns(name)}"
        assert sf.query(soql)["totalSize"] == 0
        assert sf.query(soql, include_deleted=True)["records"][0]["IsDeleted"] is True
    assert of(sf, "Order").get(deal.order)["SBQQ__Quote__c"] is None


def test_nothing_new_can_point_at_a_deleted_record(sf: Salesforce) -> None:
    """The reference is refused by its own code."""
    gone = created(of(sf, "Account").create({"Name": "gone"}))
    of(sf, "Account").delete(gone)

    with pytest.raises(SalesforceMalformedRequest) as refused:
        of(sf, "Account").create({"Name": "child", "ParentId": gone})

    assert code_of(refused.value) == "ENTITY_IS_DELETED"


@pytest.mark.parametrize(
    ("leaves", "associations", "names_coupon"),
    [
        ("association_with_its_id", 1, True),
        ("association_without_id", 1, False),
        ("nothing", 0, False),
    ],
)
def test_what_a_deleted_coupon_leaves_is_a_switch(
    org: Served, sf: Salesforce, leaves: Any, associations: int, *, names_coupon: bool
) -> None:
    """The pipeline has to say that the coupon of an association is gone."""
    org.switches.salesforce_deleted_coupon_leaves = leaves
    deal = a_deal(sf)

    of(sf, COUPON).delete(deal.order_coupon_source)

    reference = ns("Quote_Stripe_Coupon__c")
    path = f"{ns('Quote_Stripe_Coupon__r')}.{ns('Name__c')}"
    soql = f"SELECT {reference}, {path} FROM {ns('Quote_Stripe_Coupon_Association__c')}"
    rows = sf.query(soql)["records"]
    assert len(rows) == associations
    for row in rows:
        assert row[reference] == (deal.order_coupon_source if names_coupon else None)
        assert row[ns("Quote_Stripe_Coupon__r")] is None


def test_an_upsert_by_an_ambiguous_external_id_answers_300(sf: Salesforce) -> None:
    """Stripe_ID__c is an external id that is not unique."""
    a_coupon(sf, **{STRIPE_ID: "co_1"})
    body = {ns("Percent_Off__c"): 30, ns("Duration__c"): "once"}

    assert of(sf, COUPON).upsert(f"{STRIPE_ID}/co_1", body) == 200
    assert of(sf, COUPON).upsert(f"{STRIPE_ID}/co_2", body) == 201
    assert of(sf, COUPON).get_by_custom_id(STRIPE_ID, "co_2")[ns("Percent_Off__c")] == 30.0
    a_coupon(sf, **{STRIPE_ID: "CO_1"})
    with pytest.raises(SalesforceMoreThanOneRecord):
        of(sf, COUPON).upsert(f"{STRIPE_ID}/co_1", body)


def test_a_unique_external_id_refuses_a_second_record(sf: Salesforce) -> None:
    """Sync records are upserted by their compound id."""
    sync_record = of(sf, ns("Sync_Record__c"))
    body = {ns("Resolution_Status__c"): "Error", ns("Resolution_Message__c"): "no"}
    assert sync_record.upsert(f"{ns('Compound_ID__c')}/801-802", body) == 201
    assert sync_record.upsert(f"{ns('Compound_ID__c')}/801-802", body) == 200

    with pytest.raises(SalesforceMalformedRequest) as refused:
        sync_record.create({ns("Compound_ID__c"): "801-802"})

    assert code_of(refused.value) == "DUPLICATE_VALUE"


def test_a_parent_can_be_named_by_its_external_id(sf: Salesforce) -> None:
    """`{"Partner__r": {"External_Key__c": ...}}` instead of an id."""
    account = created(of(sf, "Account").create({"Name": "P", "External_Key__c": "p-1"}))

    coupon = a_coupon(sf, Partner__r={"External_Key__c": "P-1"})

    assert of(sf, COUPON).get(coupon)["Partner__c"] == account
    with pytest.raises(SalesforceMalformedRequest) as refused:
        a_coupon(sf, Partner__r={"External_Key__c": "p-2"})
    assert "Foreign key external ID: p-2 not found" in message_of(refused.value)


def record(name: str, **values: object) -> dict[str, object]:
    return {"attributes": {"type": name}, **values}


def test_a_collection_answers_for_each_record(sf: Salesforce) -> None:
    """`allOrNone` is off by default: the good ones are saved."""
    records = [record("Account", Name="A"), record("Account"), record("Nope", Name="x")]

    answers = rest(sf, "composite/sobjects", method="POST", json={"records": records})

    assert [answer["success"] for answer in answers] == [True, False, False]
    assert answers[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert answers[1]["errors"][0]["fields"] == ["Name"]
    assert sf.query("SELECT COUNT() FROM Account")["totalSize"] == 1


def test_all_or_none_takes_everything_back(sf: Salesforce) -> None:
    """The good ones say that they were rolled back."""
    records = [record("Account", Name="A"), record("Account")]
    body = {"allOrNone": True, "records": records}

    answers = rest(sf, "composite/sobjects", method="POST", json=body)

    assert [a["errors"][0]["statusCode"] for a in answers] == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "REQUIRED_FIELD_MISSING",
    ]
    assert sf.query("SELECT COUNT() FROM Account")["totalSize"] == 0


def test_200_records_are_updated_in_one_call_and_201_are_refused(
    org: Served, sf: Salesforce
) -> None:
    """The write-back works in collections of 200."""
    ids = org.service.insert("Account", ({"Name": f"A{n}"} for n in range(201)))
    records = [record("Account", Id=i, **{STRIPE_ID: f"cus_{i}"}) for i in ids]

    answers = rest(sf, "composite/sobjects", method="PATCH", json={"records": records[:200]})

    assert all(answer["success"] for answer in answers)
    assert org.service.org.usage.used == 1
    with pytest.raises(SalesforceMalformedRequest):
        rest(sf, "composite/sobjects", method="PATCH", json={"records": records})


def test_collections_upsert_retrieve_and_delete(sf: Salesforce) -> None:
    """By external id, by list of ids, and ids with fields."""
    path = "composite/sobjects/Account/External_Key__c"

    def upsert(*keys: str) -> list[Any]:
        records = [record("Account", Name=f"{k} {len(keys)}", External_Key__c=k) for k in keys]
        return list(rest(sf, path, method="PATCH", json={"records": records}))

    first = upsert("k1", "k2")
    second = upsert("k1", "k2", "k3", "K3")
    ids = [answer["id"] for answer in first]
    body = {"ids": [*ids, "001000000000000AAA"], "fields": ["Name"]}
    read = rest(sf, "composite/sobjects/Account", method="POST", json=body)
    gone = rest(sf, f"composite/sobjects?ids={','.join(ids)}&allOrNone=true", method="DELETE")

    assert [answer["created"] for answer in first] == [True, True]
    assert [answer["created"] for answer in second] == [False] * 4
    assert [a["errors"][0]["statusCode"] for a in second[2:]] == ["DUPLICATE_VALUE"] * 2
    assert [row and row["Name"] for row in read] == ["k1 4", "k2 4", None]
    assert [answer["success"] for answer in gone] == [True, True]


def test_updated_and_deleted_ids_are_listed_for_a_span_of_time(sf: Salesforce) -> None:
    """Another way to follow changes; both borders are datetimes with a zone."""
    kept = created(of(sf, "Account").create({"Name": "kept"}))
    gone = created(of(sf, "Account").create({"Name": "gone"}))
    of(sf, "Account").delete(gone)
    start = datetime(2026, 9, 1, 9, 0, tzinfo=UTC)

    updated = of(sf, "Account").updated(start, start + timedelta(hours=2))
    deleted = of(sf, "Account").deleted(start, start + timedelta(hours=2))

    assert updated["ids"] == [kept]
    assert [row["id"] for row in deleted["deletedRecords"]] == [gone]


def test_an_order_adds_up_its_items(sf: Salesforce) -> None:
    """Totals and the product of an item follow from the price book."""
    deal = a_deal(sf)

    order = of(sf, "Order").get(deal.order)
    item = of(sf, "OrderItem").get(deal.items[0])

    assert order["TotalAmount"] == 199.0
    assert item["CurrencyIsoCode"] == "USD"
    assert order["OrderNumber"] == "00000001"
    assert item["TotalPrice"] == 99.5
    assert item["Product2Id"].startswith("01t")


def test_a_locked_row_fails_alone_and_only_for_a_while(org: Served, sf: Salesforce) -> None:
    """UNABLE_TO_LOCK_ROW is one record's result; trying again is right."""
    first, second = org.service.insert("Account", [{"Name": "A"}, {"Name": "B"}])
    org.service.writer.locked[first] = 1
    body = {"records": [record("Account", Id=i, Name="x") for i in (first, second)]}

    once = rest(sf, "composite/sobjects", method="PATCH", json=body)
    again = rest(sf, "composite/sobjects", method="PATCH", json=body)

    assert [answer["success"] for answer in once] == [False, True]
    assert once[0]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"
    assert [answer["success"] for answer in again] == [True, True]


def test_a_body_has_to_say_that_it_is_json(org: Served) -> None:
    """415 for anything else, 400 for JSON that is none."""
    path = "/services/data/v59.0/sobjects/Account"

    plain = org.ask("POST", path, data='{"Name": "x"}')
    broken = org.ask("POST", path, data="{", headers={"Content-Type": "application/json"})

    assert (plain.status_code, broken.status_code) == (415, 400)
    assert broken.json()[0]["errorCode"] == "JSON_PARSER_ERROR"
