"""Query jobs of both Bulk APIs, through simple-salesforce."""

import csv
import io
from typing import Any

import pytest
import simple_salesforce.bulk2
from simple_salesforce.api import Salesforce

from tests.sandbox.salesforce.orgs import Served, a_deal, ns

JOBS = "/services/data/v59.0/jobs/query"


def test_a_bulk_query_answers_csv_in_parts(org: Served) -> None:
    """The last part's locator is the text null."""
    org.service.insert("Account", ({"Name": f'A "{n}", Inc'} for n in range(5)))
    soql = "SELECT id, Name, AnnualRevenue, Owner.IsActive FROM Account ORDER BY Name"
    job = org.ask("POST", JOBS, json={"operation": "query", "query": soql}).json()

    state = org.ask("GET", f"{JOBS}/{job['id']}").json()
    first = org.ask("GET", f"{JOBS}/{job['id']}/results?maxRecords=3")
    where = first.headers["Sforce-Locator"]
    last = org.ask("GET", f"{JOBS}/{job['id']}/results?maxRecords=3&locator={where}")

    assert (state["state"], state["numberRecordsProcessed"]) == ("JobComplete", 5)
    rows = list(csv.DictReader(io.StringIO(first.text)))
    assert list(rows[0]) == ["Id", "Name", "AnnualRevenue", "Owner.IsActive"]
    assert rows[0]["Name"] == 'A "0", Inc'
    assert (rows[0]["AnnualRevenue"], rows[0]["Owner.IsActive"]) == ("", "true")
    assert first.headers["Sforce-NumberOfRecords"] == "3"
    assert last.headers["Sforce-Locator"] == "null"
    assert len(list(csv.DictReader(io.StringIO(last.text)))) == 2


def test_simple_salesforces_second_bulk_client_reads_the_org(
    sf: Salesforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is complete at once; the client's polite waiting is left out."""
    monkeypatch.setattr(simple_salesforce.bulk2, "sleep", lambda _seconds: None)
    deal = a_deal(sf)

    bulk: Any = sf.bulk2
    [text] = bulk.OrderItem.query(f"SELECT Id, Quantity, {ns('Stripe_ID__c')} FROM OrderItem")

    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["Id"] for row in rows] == deal.items
    assert rows[0]["Quantity"] == "1.0"


def test_simple_salesforces_first_bulk_client_reads_the_org(sf: Salesforce) -> None:
    """Datetimes are milliseconds since 1970 there."""
    deal = a_deal(sf)

    bulk: Any = sf.bulk
    rows = bulk.Order.query("SELECT Id, CreatedDate, Account.Name FROM Order")

    assert [row["Id"] for row in rows] == [deal.order]
    assert rows[0]["CreatedDate"] == 1_788_256_800_000
    assert rows[0]["Account"]["Name"] == "Acme"


@pytest.mark.parametrize(
    "soql",
    ["SELECT COUNT() FROM Account", "SELECT Id, (SELECT Id FROM Orders) FROM Account", "nonsense"],
)
def test_what_a_bulk_query_cannot_do_is_refused(org: Served, soql: str) -> None:
    """Aggregates and subqueries belong to REST."""
    answer = org.ask("POST", JOBS, json={"operation": "query", "query": soql})

    assert answer.status_code == 400
    assert isinstance(answer.json(), list)


def test_a_job_can_be_aborted_and_deleted(org: Served) -> None:
    """Afterwards it has no results, then it is gone."""
    body = {"operation": "queryAll", "query": "SELECT Id FROM Account"}
    job = org.ask("POST", JOBS, json=body).json()["id"]

    assert org.ask("PATCH", f"{JOBS}/{job}", json={"state": "Aborted"}).json()["state"] == "Aborted"
    assert org.ask("GET", f"{JOBS}/{job}/results").status_code == 400
    assert org.ask("DELETE", f"{JOBS}/{job}").status_code == 204
    assert org.ask("GET", f"{JOBS}/{job}").status_code == 404
