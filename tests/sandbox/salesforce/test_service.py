"""The ways in that the company, the pages and tests use, and a state that lasts."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.journal import Journal
from coupon_pipeline.sandbox.salesforce import SalesforceService
from coupon_pipeline.sandbox.salesforce.errors import SalesforceError
from coupon_pipeline.sandbox.switches import Switches
from tests.sandbox.salesforce.orgs import Served

START = datetime(2026, 9, 1, 10, 0, 0, tzinfo=UTC)


def service(journal: Journal | None = None, *, seed: int = 7) -> SalesforceService:
    return SalesforceService(
        Clock(START, frozen=True), Switches(), journal or Journal(), seed, namespace="ns"
    )


def an_order(org: SalesforceService) -> str:
    [account] = org.insert("Account", [{"Name": "Acme"}])
    [quote] = org.insert("SBQQ__Quote__c", [{"SBQQ__Account__c": account}])
    [coupon] = org.insert("Quote_Stripe_Coupon__c", [{"Percent_Off__c": Decimal(10)}])
    org.create(
        "Quote_Stripe_Coupon_Association__c",
        {"Quote__c": quote, "Quote_Stripe_Coupon__c": coupon},
    )
    return org.create(
        "Order",
        {
            "AccountId": account,
            "EffectiveDate": "2026-09-01",
            "Status": "Draft",
            "SBQQ__Quote__c": quote,
        },
    )


def test_names_need_no_namespace_inside() -> None:
    """`insert` trusts, `create` and `activate` take the way of a request."""
    org = service()
    order = an_order(org)

    org.activate([order])

    row = org.get("Order", order)
    assert row is not None
    assert row["ActivatedDate"] == "2026-09-01T10:00:00.000+0000"
    [coupon] = org.where("Order_Stripe_Coupon__c", "Order__c", order)
    assert coupon["Percent_Off__c"] == Decimal(10)
    with pytest.raises(SalesforceError):
        org.create("Quote_Stripe_Coupon__c", {})


def test_inserted_records_keep_what_they_bring_and_get_the_rest() -> None:
    """Ids and system fields may be given; formulas and defaults are filled in."""
    org = service()

    [given] = org.insert(
        "Quote_Stripe_Coupon__c",
        [
            {
                "Id": "a1C5g00000AbCdeAAF",
                "Amount_Off__c": 5,
                "Stripe_ID__c": "co_1",
                "CreatedDate": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            }
        ],
    )

    row = org.get("Quote_Stripe_Coupon__c", given)
    assert row is not None
    assert row["Amount_Off__c"] == Decimal(5)
    assert row["Duration__c"] == "once"
    assert row["CreatedDate"] == row["SystemModstamp"] == "2026-01-02T03:04:05.000+0000"
    assert str(row["Stripe_Dashboard_Link__c"]).endswith("/coupons/co_1")


def test_the_same_seed_gives_the_same_org() -> None:
    """Ids, token and org are reproducible."""
    first, second, other = service(), service(), service(seed=8)

    assert an_order(first) == an_order(second)
    assert first.access_token == second.access_token
    assert first.org_id != other.org_id


def test_the_state_is_taken_up_again_from_its_file(tmp_path: Path) -> None:
    """What was written before the stop is there after it, and new ids do not collide."""
    journal = Journal(tmp_path / "state.sqlite")
    before = service(journal)
    order = an_order(before)
    before.activate([order])
    deleted = before.insert("Account", [{"Name": "gone"}])[0]
    before.delete("Account", deleted)
    journal.close()

    reopened = Journal(tmp_path / "state.sqlite")
    after = service(reopened)

    assert after.access_token == before.access_token
    assert after.get("Order", order) == before.get("Order", order)
    assert after.all("Order_Stripe_Coupon__c") == before.all("Order_Stripe_Coupon__c")
    assert after.get("Account", deleted) is not None
    assert len(after.all("Account")) == 1
    assert an_order(after) != order
    reopened.close()


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("session_expired", 401, "INVALID_SESSION_ID"),
        ("request_limit", 403, "REQUEST_LIMIT_EXCEEDED"),
        ("row_locked", 400, "UNABLE_TO_LOCK_ROW"),
        ("server_error", 500, "UNKNOWN_EXCEPTION"),
        ("maintenance", 503, "<html>"),
    ],
)
def test_faults_look_as_the_service_makes_them(kind: str, status: int, code: str) -> None:
    """Lists of errors, except for the maintenance page."""
    response = service().fault_response(kind)

    assert response.status_code == status
    assert code in bytes(response.body).decode()


def test_a_mistake_of_the_sandbox_is_told_as_such(
    org: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller gets a list of errors, not a broken connection."""

    def broken(*_arguments: object) -> None:
        raise ValueError("oops")

    monkeypatch.setattr(org.service.org.queries, "more", broken)

    answer = org.ask("GET", "/services/data/v59.0/query/01g-0")

    assert answer.status_code == 500
    assert answer.json()[0]["errorCode"] == "UNKNOWN_EXCEPTION"
    assert "oops" in answer.json()[0]["message"]
