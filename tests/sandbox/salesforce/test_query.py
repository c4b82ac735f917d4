"""SOQL over HTTP: what a statement finds, how it is paged, and what is refused."""

import tomllib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError, SalesforceMalformedRequest
from simple_salesforce.format import format_soql

from tests.sandbox.salesforce.orgs import (
    Orgs,
    Served,
    a_deal,
    code_of,
    created,
    message_of,
    ns,
    of,
)

BASE = "/services/data/v59.0"


def names(sf: Salesforce, where: str, **options: Any) -> list[str]:
    rows = sf.query_all(f"SELECT Name FROM Account {where}", **options)["records"]
    return [row["Name"] for row in rows]


@pytest.fixture
def accounts(org: Served) -> list[str]:
    """Five accounts whose fields differ in what the tests ask for."""
    start = datetime(2026, 8, 30, 12, 0, 0, tzinfo=UTC)
    rows: list[dict[str, object]] = [
        {"Name": "Alpha", "AnnualRevenue": 100, "Type": "Prospect", "Region__c": "EMEA"},
        {"Name": "beta", "AnnualRevenue": Decimal("250.5"), "NumberOfEmployees": 7},
        {"Name": "50% off_er", "Region__c": "emea"},
        {"Name": "O'Brien \\ Söhne", "AnnualRevenue": 139_000_000},
        {"Name": "Zeta", "Type": "Other"},
    ]
    for index, row in enumerate(rows):
        row["CreatedDate"] = start + timedelta(days=index)
    return org.service.insert("Account", rows)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("WHERE Name = 'ALPHA'", ["Alpha"]),
        ("WHERE Name != 'alpha' AND AnnualRevenue != null", ["beta", "O'Brien \\ Söhne"]),
        ("WHERE AnnualRevenue > 100 AND AnnualRevenue <= 250.5", ["beta"]),
        ("WHERE AnnualRevenue = null", ["50% off_er", "Zeta"]),
        ("WHERE Region__c IN ('EMEA', 'APAC')", ["Alpha", "50% off_er"]),
        ("WHERE Region__c NOT IN ('EMEA') AND Type = null", ["beta", "O'Brien \\ Söhne"]),
        ("WHERE (Type = 'Other' OR Type = 'Prospect') AND (NOT Name LIKE 'z%')", ["Alpha"]),
        ("WHERE Name LIKE '%\\%%'", ["50% off_er"]),
        ("WHERE Name LIKE '%f\\_e%'", ["50% off_er"]),
        ("WHERE Name LIKE '_eta'", ["beta", "Zeta"]),
        ("WHERE Name = 'O\\'Brien \\\\ S\\u00f6hne'", ["O'Brien \\ Söhne"]),
        (
            "WHERE CreatedDate >= 2026-09-01T14:00:00+02:00",
            ["50% off_er", "O'Brien \\ Söhne", "Zeta"],
        ),
        ("WHERE CreatedDate < 2026-08-31T12:00:00.999Z", ["Alpha"]),
        ("WHERE CreatedDate = TODAY", ["50% off_er"]),
        ("WHERE CreatedDate = LAST_N_DAYS:1", ["beta", "50% off_er"]),
        ("WHERE CreatedDate > LAST_MONTH AND CreatedDate < TOMORROW", ["50% off_er"]),
        ("WHERE DAY_ONLY(CreatedDate) = 2026-08-30", ["Alpha"]),
        ("ORDER BY AnnualRevenue DESC NULLS LAST LIMIT 2", ["O'Brien \\ Söhne", "beta"]),
        (
            "ORDER BY Type ASC NULLS LAST, Name DESC LIMIT 3 OFFSET 1",
            ["Alpha", "O'Brien \\ Söhne", "beta"],
        ),
        ("WHERE NumberOfEmployees = 7", ["beta"]),
        ("WHERE Type != 'Prospect' AND Name LIKE '%e%a'", ["beta", "Zeta"]),
        ("WHERE AnnualRevenue != 100 AND Name LIKE '%eta'", ["beta", "Zeta"]),
    ],
)
def test_a_condition_finds_what_it_says(
    accounts: list[str], sf: Salesforce, where: str, expected: list[str]
) -> None:
    """A clause that is ignored or misread would hide a bug in the pipeline's statements."""
    assert len(accounts) == 5
    assert names(sf, where) == expected


def test_ids_are_found_in_both_lengths(accounts: list[str], sf: Salesforce) -> None:
    """15-character ids are case-sensitive; the answer always has 18."""
    short = accounts[0][:15]

    rows = sf.query(format_soql("SELECT Id FROM Account WHERE Id IN {}", [short, accounts[1]]))

    assert [row["Id"] for row in rows["records"]] == accounts[:2]


def test_parent_paths_are_nested_and_null_when_there_is_no_parent(sf: Salesforce) -> None:
    """A missing parent must not lose the row."""
    deal = a_deal(sf)

    soql = (
        "SELECT Id, Account.Name, Contract.ContractNumber, SBQQ__Quote__r.SBQQ__Account__r.Name, "
        "account.id FROM Order"
    )
    [row] = sf.query(soql)["records"]

    assert row["Account"]["attributes"]["type"] == "Account"
    assert row["Account"]["Id"] == deal.account
    assert row["Contract"] is None
    assert row["SBQQ__Quote__r"]["SBQQ__Account__r"]["Name"] == "Acme"
    assert list(row) == ["attributes", "Id", "Account", "Contract", "SBQQ__Quote__r"]


def test_child_subqueries_are_results_of_their_own(sf: Salesforce) -> None:
    """An empty one is null, a filled one has a size and records."""
    deal = a_deal(sf)

    soql = (
        "SELECT Id, (SELECT Id, Quantity FROM OrderItems ORDER BY Id), "
        f"(SELECT Id FROM {ns('Order_Lookup__r')}) FROM Order"
    )
    [row] = sf.query(soql)["records"]

    assert row["OrderItems"]["totalSize"] == 2
    assert [item["Id"] for item in row["OrderItems"]["records"]] == deal.items
    assert row["OrderItems"]["records"][0]["Quantity"] == 1.0
    assert row[ns("Order_Lookup__r")] is None


def test_semi_joins_and_anti_joins_select_by_set(sf: Salesforce) -> None:
    """The pipeline reads associations of the quotes of activated orders this way."""
    deal = a_deal(sf)
    other = created(of(sf, "SBQQ__Quote__c").create({}))
    inside = "(SELECT SBQQ__Quote__c FROM Order WHERE StatusCode = 'Draft')"

    having = sf.query(f"SELECT Id FROM SBQQ__Quote__c WHERE Id IN {inside}")
    lacking = sf.query(f"SELECT Id FROM SBQQ__Quote__c WHERE Id NOT IN {inside}")
    associations = sf.query(
        f"SELECT Id FROM {ns('Quote_Stripe_Coupon_Association__c')} "
        f"WHERE {ns('Quote__c')} IN {inside}"
    )

    assert [row["Id"] for row in having["records"]] == [deal.quote]
    assert [row["Id"] for row in lacking["records"]] == [other]
    assert associations["totalSize"] == 1


def test_counts_and_groups_are_answered(accounts: list[str], sf: Salesforce) -> None:
    """COUNT() answers a size alone; grouped rows are AggregateResults."""
    assert sf.query("SELECT COUNT() FROM Account")["totalSize"] == len(accounts)
    assert sf.query("SELECT COUNT() FROM Account")["records"] == []
    [total] = sf.query("SELECT COUNT(Id) n, MAX(AnnualRevenue) FROM Account")["records"]
    assert (total["n"], total["expr0"]) == (5, 139_000_000.0)
    groups = sf.query("SELECT Type, COUNT(Id) FROM Account GROUP BY Type")["records"]
    assert [(g["Type"], g["expr0"]) for g in groups] == [(None, 3), ("Other", 1), ("Prospect", 1)]


def test_numbers_arrive_as_doubles(accounts: list[str], org: Served) -> None:
    """The wire has 100.0 and 1.39E8; a reader that wants digits has to parse exactly."""
    path = f"{BASE}/query?q=SELECT+AnnualRevenue,NumberOfEmployees+FROM+Account+ORDER+BY+Id"
    assert accounts

    text = org.ask("GET", path).text
    org.switches.salesforce_number_form = "shortest"
    shortest = org.ask("GET", path).text

    assert '"AnnualRevenue":100.0' in text
    assert '"AnnualRevenue":1.39E8' in text
    assert '"NumberOfEmployees":7}' in text
    assert '"AnnualRevenue":139000000' in shortest


def test_long_answers_are_paged_by_locator(org: Served, sf: Salesforce) -> None:
    """The next address is followed as it is, also by clients that repeat q= behind it."""
    org.service.insert("Account", ({"Name": f"A{index:04d}"} for index in range(4_500)))

    first = sf.query("SELECT Id, Name FROM Account ORDER BY Name")
    rows = list(sf.query_all_iter("SELECT Id, Name FROM Account ORDER BY Name"))
    again = org.ask("GET", f"{first['nextRecordsUrl']}?q=SELECT+Id+FROM+Account").json()

    assert (first["totalSize"], first["done"], len(first["records"])) == (4_500, False, 2_000)
    assert first["nextRecordsUrl"].startswith(f"{BASE}/query/01g")
    assert first["nextRecordsUrl"].endswith("-2000")
    assert [row["Name"] for row in rows] == [f"A{index:04d}" for index in range(4_500)]
    assert again["records"][0]["Name"] == "A2000"


def test_the_batch_size_can_be_asked_for_within_bounds(org: Served, sf: Salesforce) -> None:
    """200 to 2000, by header."""
    org.service.insert("Account", ({"Name": f"A{index}"} for index in range(450)))

    page = sf.query("SELECT Id FROM Account", headers={"Sforce-Query-Options": "batchSize=10"})

    assert len(page["records"]) == 200


def test_a_forgotten_locator_is_refused(org: Served, sf: Salesforce) -> None:
    """Cursors do not live for ever."""
    org.service.insert("Account", ({"Name": f"A{index}"} for index in range(2_500)))
    first = sf.query("SELECT Id FROM Account")
    org.service.org.queries.expire_locators()

    with pytest.raises(SalesforceMalformedRequest) as refused:
        sf.query_more(first["nextRecordsUrl"], identifier_is_url=True)

    assert code_of(refused.value) == "INVALID_QUERY_LOCATOR"


def test_a_locator_is_of_use_to_its_own_user_only(org: Served, sf: Salesforce) -> None:
    """Two users with different rights must not share pages."""
    org.service.insert("Account", ({"Name": f"A{index}"} for index in range(2_500)))
    first = sf.query("SELECT Id FROM Account")
    other = org.client(org.service.coupon_user_token)

    with pytest.raises(SalesforceMalformedRequest) as refused:
        other.query_more(first["nextRecordsUrl"], identifier_is_url=True)

    assert code_of(refused.value) == "INVALID_QUERY_LOCATOR"


def test_deleted_records_are_seen_by_query_all_only(accounts: list[str], sf: Salesforce) -> None:
    """An association deleted after activation still has to be found."""
    of(sf, "Account").delete(accounts[0])

    assert "Alpha" not in names(sf, "")
    assert "Alpha" in names(sf, "", include_deleted=True)
    assert names(sf, "WHERE IsDeleted = true", include_deleted=True) == ["Alpha"]


def test_rows_can_become_visible_after_their_stamp(org: Served, sf: Salesforce) -> None:
    """A long transaction commits rows that are stamped before a watermark already taken."""
    org.service.writer.late_by["Account"] = 600
    account = created(of(sf, "Account").create({"Name": "Late"}))
    assert names(sf, "") == []

    org.clock.advance(timedelta(minutes=10))

    [row] = sf.query("SELECT Id, SystemModstamp FROM Account")["records"]
    assert row["Id"] == account
    assert row["SystemModstamp"] == "2026-09-01T10:00:00.000+0000"


REFUSED = tomllib.loads(Path(__file__).with_name("refused_queries.toml").read_text())["refused"]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: str(case["soql"]))
def test_what_is_not_understood_is_refused_in_salesforces_words(
    sf: Salesforce, case: dict[str, str]
) -> None:
    """Dropping a clause silently would return rows that the real service would not."""
    with pytest.raises(SalesforceMalformedRequest) as refused:
        sf.query(case["soql"])

    assert code_of(refused.value) == case["code"]
    assert case["message"] in message_of(refused.value)


def test_all_fields_can_be_selected_with_a_small_limit(accounts: list[str], sf: Salesforce) -> None:
    """FIELDS(ALL) is for looking around, not for reading."""
    assert accounts

    [row] = sf.query("SELECT FIELDS(ALL) FROM Account LIMIT 1")["records"]

    assert row["Name"] == "Alpha"
    assert ns("Stripe_ID__c") in row


def test_a_statement_may_be_100000_characters_and_an_address_16384(org: Served) -> None:
    """Long IN lists go into a Composite body; an address that long is refused."""
    listed = ",".join(f"'{'0' * 12}{index:06d}'" for index in range(4_000))
    wanted = f"SELECT Id FROM Account WHERE Name IN ({listed})"
    body = {
        "compositeRequest": [
            {"method": "GET", "url": f"{BASE}/query?q={wanted}", "referenceId": "r"}
        ]
    }

    by_address = org.ask("GET", f"{BASE}/query", params={"q": wanted[:20_000]})
    by_headers = org.ask("GET", f"{BASE}/limits", headers={"X-Long": "x" * 16_300})
    in_a_body = org.ask("POST", f"{BASE}/composite", json=body).json()

    assert (by_address.status_code, by_headers.status_code) == (414, 431)
    assert in_a_body["compositeResponse"][0]["httpStatusCode"] == 200
    with pytest.raises(SalesforceError):
        org.client().query("SELECT Id FROM Account WHERE Name = '" + "x" * 100_000)


def test_every_reply_says_how_many_calls_are_left(org: Served) -> None:
    """Clients parse `api-usage=a/b` exactly, also of refusals."""
    for path in (f"{BASE}/query?q=SELECT+Id+FROM+Account", f"{BASE}/nope", f"{BASE}/sobjects/Nope"):
        used = org.service.org.usage.used + 1
        reply = org.ask("GET", path)
        assert reply.headers["Sforce-Limit-Info"] == f"api-usage={used}/100000"


def test_the_days_requests_run_out(org: Served, sf: Salesforce) -> None:
    """403 means a limit as well as a missing permission; only the code tells."""
    sf.limits()
    org.service.org.usage.limit = org.service.org.usage.used

    with pytest.raises(SalesforceError) as refused:
        sf.query("SELECT Id FROM Account")

    assert refused.value.status == 403
    assert code_of(refused.value) == "REQUEST_LIMIT_EXCEEDED"


def test_unknown_addresses_methods_and_tokens_have_their_own_status(org: Served) -> None:
    """404, 405 and 401, each with a list of errors."""
    nowhere = org.ask("GET", f"{BASE}/nope")
    wrong = org.ask("PUT", f"{BASE}/query?q=SELECT+Id+FROM+Account")
    old = org.ask("GET", "/services/data/v20.0/limits")
    unknown = org.ask("GET", f"{BASE}/limits", headers={"Authorization": "Bearer 00Dnope"})
    absent = requests.get(f"{org.url}{BASE}/limits", timeout=30)

    assert [r.status_code for r in (nowhere, wrong, old, unknown, absent)] == [
        404,
        405,
        404,
        401,
        401,
    ]
    assert nowhere.json()[0]["errorCode"] == "NOT_FOUND"
    assert wrong.json()[0]["errorCode"] == "METHOD_NOT_ALLOWED"
    assert unknown.json()[0]["errorCode"] == "INVALID_SESSION_ID"


def test_an_org_without_the_namespace_has_plain_names(orgs: Orgs) -> None:
    """The namespace is a property of the org, not of the product."""
    sf = orgs.make(namespace="").client()

    assert sf.query("SELECT Id, Stripe_ID__c FROM Quote_Stripe_Coupon__c")["totalSize"] == 0
    with pytest.raises(SalesforceMalformedRequest):
        sf.query(f"SELECT Id FROM {ns('Quote_Stripe_Coupon__c')}")


def test_an_org_with_one_currency_has_no_currency_fields(orgs: Orgs) -> None:
    """There CurrencyIsoCode and CurrencyType do not exist."""
    sf = orgs.make(multi_currency=False).client()
    deal = a_deal(sf)
    of(sf, "Order").update(deal.order, {"Status": "Activated"})

    with pytest.raises(SalesforceMalformedRequest) as no_field:
        sf.query("SELECT CurrencyIsoCode FROM Order")
    with pytest.raises(SalesforceMalformedRequest) as no_object:
        sf.query("SELECT Id FROM CurrencyType")

    assert code_of(no_field.value) == "INVALID_FIELD"
    assert code_of(no_object.value) == "INVALID_TYPE"
    assert sf.query(f"SELECT Id FROM {ns('Order_Stripe_Coupon__c')}")["totalSize"] == 2


def test_rows_without_order_by_come_in_no_promised_order(org: Served, sf: Salesforce) -> None:
    """A switch shakes a reader that relies on an accident."""
    org.service.insert("Account", ({"Name": f"A{index}"} for index in range(50)))
    by_id = names(sf, "")
    org.switches.salesforce_row_order = "scattered"

    scattered = names(sf, "")

    assert scattered != by_id
    assert sorted(scattered) == sorted(by_id)
    assert names(sf, "ORDER BY Id") == by_id
