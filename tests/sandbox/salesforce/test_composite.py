"""Several requests in one: composite and batch."""

from typing import Any

from simple_salesforce.api import Salesforce

from tests.sandbox.salesforce.orgs import Served, created, of, rest

BASE = "/services/data/v59.0"


def compose(sf: Salesforce, *requests: dict[str, Any], all_or_none: bool = False) -> list[Any]:
    body = {"allOrNone": all_or_none, "compositeRequest": list(requests)}
    answer = rest(sf, "composite", method="POST", json=body)
    return list(answer["compositeResponse"])


def query(reference: str, soql: str) -> dict[str, Any]:
    return {"method": "GET", "url": f"{BASE}/query?q={soql}", "referenceId": reference}


def test_a_later_request_uses_what_an_earlier_one_answered(org: Served, sf: Salesforce) -> None:
    """`@{reference.field}`; the whole counts as one call."""
    make = {
        "method": "POST",
        "url": f"{BASE}/sobjects/Account",
        "referenceId": "account",
        "body": {"Name": "Acme"},
    }
    contact = {
        "method": "POST",
        "url": f"{BASE}/sobjects/Contact",
        "referenceId": "contact",
        "body": {"LastName": "Doe", "AccountId": "@{account.id}"},
    }
    read = query("read", "SELECT+Id,Account.Name+FROM+Contact+WHERE+AccountId='@{account.id}'")

    answers = compose(sf, make, contact, read)

    assert [answer["httpStatusCode"] for answer in answers] == [201, 201, 200]
    assert answers[0]["httpHeaders"]["Location"].endswith(answers[0]["body"]["id"])
    assert answers[2]["body"]["records"][0]["Account"]["Name"] == "Acme"
    assert org.service.org.usage.used == 1


def test_a_failure_halts_what_depends_on_it(sf: Salesforce) -> None:
    """Independent requests still run unless all or none is asked for."""
    bad = {"method": "POST", "url": f"{BASE}/sobjects/Account", "referenceId": "bad", "body": {}}
    after = query("after", "SELECT+Id+FROM+Account+WHERE+Id='@{bad.id}'")
    other = {
        "method": "POST",
        "url": f"{BASE}/sobjects/Account",
        "referenceId": "other",
        "body": {"Name": "Good"},
    }

    answers = compose(sf, bad, after, other)
    together = compose(sf, other, bad, all_or_none=True)

    assert [answer["httpStatusCode"] for answer in answers] == [400, 400, 201]
    assert answers[1]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert [answer["httpStatusCode"] for answer in together] == [400, 400]
    assert together[0]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert sf.query("SELECT COUNT() FROM Account")["totalSize"] == 1


def test_composite_takes_25_requests_5_of_them_queries(org: Served) -> None:
    """One more of either is refused as a whole."""

    def status(*requests: dict[str, Any]) -> int:
        body = {"compositeRequest": list(requests)}
        return org.ask("POST", f"{BASE}/composite", json=body).status_code

    queries = [query(f"q{n}", "SELECT+Id+FROM+Account") for n in range(6)]
    limits = [{"method": "GET", "url": f"{BASE}/limits", "referenceId": f"l{n}"} for n in range(26)]

    assert status(*queries[:5]) == 200
    assert status(*queries) == 400
    assert status(*limits[:25]) == 200
    assert status(*limits) == 400
    assert status(limits[0], limits[0]) == 400


def test_a_batch_runs_independent_requests(sf: Salesforce) -> None:
    """Each has its status and result."""
    account = created(of(sf, "Account").create({"Name": "Acme"}))
    requests = [
        {"method": "GET", "url": f"v59.0/sobjects/Account/{account}?fields=Name"},
        {"method": "PATCH", "url": f"v59.0/sobjects/Account/{account}", "richInput": {"Nope": 1}},
    ]

    answer = rest(sf, "composite/batch", method="POST", json={"batchRequests": requests})

    assert answer["hasErrors"] is True
    assert [result["statusCode"] for result in answer["results"]] == [200, 400]
    assert answer["results"][0]["result"]["Name"] == "Acme"
