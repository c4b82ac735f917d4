"""The control API."""

from typing import Any

import pytest
import requests

from coupon_pipeline.sandbox.salesforce import SalesforceService
from coupon_pipeline.sandbox.serving import Sandbox


def control(sandbox: Sandbox, path: str) -> str:
    """An address of the control API; the same on both servers."""
    return f"{sandbox.addresses.salesforce_url}/_sandbox/{path}"


def test_the_clock_is_read_and_moved(sandbox: Sandbox) -> None:
    """A script lets a month pass."""
    assert requests.get(control(sandbox, "clock"), timeout=5).json() == {
        "now": "2026-11-02T09:00:00+00:00",
        "frozen": True,
    }

    requests.post(control(sandbox, "clock"), json={"advance_seconds": 60}, timeout=5)
    answer = requests.post(
        f"{sandbox.addresses.stripe_url}/_sandbox/clock",
        json={"set": "2026-12-01T00:00:00+00:00"},
        timeout=5,
    )

    assert answer.json()["now"] == "2026-12-01T00:00:00+00:00"
    assert sandbox.clock.now().month == 12


def test_what_it_cannot_do_it_says(sandbox: Sandbox) -> None:
    """A knob that turns nothing would make a rehearsal that shows nothing."""
    back = requests.post(control(sandbox, "clock"), json={"set": "2020-01-01"}, timeout=5)
    unknown = requests.post(control(sandbox, "faults"), json={"knd": "slow"}, timeout=5)
    misspelt = requests.patch(
        control(sandbox, "switches"), json={"salesforce_row_order": "sorted"}, timeout=5
    )
    broken = requests.post(control(sandbox, "clock"), data="{", timeout=5)

    assert [one.status_code for one in (back, unknown, misspelt, broken)] == [400] * 4
    assert "only goes forward" in back.json()["error"]
    assert "knd" in unknown.json()["error"]
    assert "by_id" in misspelt.json()["error"]


def test_faults_are_armed_listed_and_disarmed(sandbox: Sandbox) -> None:
    """The same plan that tests use in the process."""
    rule = {"service": "stripe", "kind": "conflict", "method": "POST", "times": 2}
    armed = requests.post(control(sandbox, "faults"), json=rule, timeout=5).json()
    assert armed["rules"][0] | rule == armed["rules"][0]

    requests.post(control(sandbox, "faults"), json={"latency": {"stripe": 5}}, timeout=5)
    assert sandbox.faults.latency == {"stripe": 5}

    emptied = requests.delete(control(sandbox, "faults"), timeout=5).json()
    assert emptied["rules"] == []
    assert emptied["latency"] == {}


def test_switches_are_turned_while_it_runs(sandbox: Sandbox) -> None:
    """The same rehearsal under both readings of the documentation."""
    turned = requests.patch(
        control(sandbox, "switches"), json={"salesforce_row_order": "scattered"}, timeout=5
    ).json()

    assert turned["salesforce_row_order"]["now"] == "scattered"
    assert turned["salesforce_row_order"]["default"] == "by_id"
    assert sandbox.switches.salesforce_row_order == "scattered"


def test_requests_are_counted_by_endpoint(sandbox: Sandbox) -> None:
    """How many calls a run costs is part of what it is worth."""
    for _ in range(2):
        requests.get(
            f"{sandbox.addresses.stripe_url}/v1/coupons",
            auth=(sandbox.addresses.stripe_api_key, ""),
            timeout=5,
        )

    counted = requests.get(control(sandbox, "calls"), timeout=5).json()
    cleared = requests.delete(control(sandbox, "calls"), timeout=5).json()

    assert counted == {
        "counts": [{"service": "stripe", "method": "GET", "path": "/v1/coupons", "count": 2}]
    }
    assert cleared == {"counts": []}


def test_the_order_sync_gives_waiting_orders_their_subscription(company_sandbox: Sandbox) -> None:
    """A pending coupon is attached by the run after the subscription came."""
    before = len(company_sandbox.stripe.all("subscription"))

    answer = requests.post(control(company_sandbox, "order_sync"), timeout=10).json()
    again = requests.post(control(company_sandbox, "order_sync"), timeout=10).json()

    assert answer == {"orders": 2}
    assert again == {"orders": 0}
    assert len(company_sandbox.stripe.all("subscription")) == before + 2


def test_a_field_is_hidden_and_shown_again(sandbox: Sandbox) -> None:
    """A missing permission set is the commonest fault of a new installation."""
    field = {"object": "Order", "field": "Stripe_ID__c"}

    def query() -> requests.Response:
        return requests.get(
            f"{sandbox.addresses.salesforce_url}/services/data/v64.0/query",
            params={"q": "SELECT stripeConnector__Stripe_ID__c FROM Order"},
            headers={"Authorization": f"Bearer {sandbox.addresses.salesforce_access_token}"},
            timeout=5,
        )

    hidden = requests.post(control(sandbox, "hidden_fields"), json=field, timeout=5).json()
    refused = query()
    shown = requests.delete(control(sandbox, "hidden_fields"), timeout=5).json()

    assert hidden == {"objects": [], "fields": ["Order.Stripe_ID__c"]}
    assert refused.json()[0]["errorCode"] == "INVALID_FIELD"
    assert shown == {"objects": [], "fields": []}
    assert query().status_code == 200


def test_a_restricted_key_is_made_and_is_restricted(sandbox: Sandbox) -> None:
    """What a key may not do shows only with a key that may not do it."""
    made = requests.post(
        control(sandbox, "restricted_keys"), json={"permissions": ["rak_coupon_read"]}, timeout=5
    ).json()

    statuses = [
        requests.get(
            f"{sandbox.addresses.stripe_url}/v1/{path}", auth=(made["api_key"], ""), timeout=5
        ).status_code
        for path in ("coupons", "customers")
    ]

    assert made["api_key"].startswith("rk_test_")
    assert statuses == [200, 403]


def test_a_customer_gets_a_discount_as_in_the_dashboard(sandbox: Sandbox) -> None:
    """The current API cannot give one, but there are many from before."""
    customer = sandbox.run_on_loop(lambda: sandbox.stripe.create("customer", {"name": "A"}))
    coupon = {"id": "TEN", "percent_off": "10", "duration": "forever"}
    sandbox.run_on_loop(lambda: sandbox.stripe.create("coupon", coupon))
    body = {"customer": customer["id"], "coupon": "TEN"}

    given = requests.post(control(sandbox, "customer_discount"), json=body, timeout=5)
    unknown = requests.post(
        control(sandbox, "customer_discount"), json=body | {"coupon": "NONE"}, timeout=5
    )

    assert given.status_code == 200
    assert unknown.status_code == 400
    shown = sandbox.stripe.shown("customer", customer["id"])
    assert shown is not None
    assert shown["discount"]["source"]["coupon"] == "TEN"


COUPON = "stripeConnector__Quote_Stripe_Coupon__c"


def ask(
    sandbox: Sandbox, method: str, path: str, *, token: str | None = None, **options: Any
) -> requests.Response:
    """A request to the org, with the integration user's token unless another is given."""
    bearer = token or sandbox.addresses.salesforce_access_token
    return requests.request(
        method,
        f"{sandbox.addresses.salesforce_url}/services/data/v64.0/{path}",
        headers={"Authorization": f"Bearer {bearer}"},
        timeout=5,
        **options,
    )


def made_coupon(sandbox: Sandbox) -> str:
    """The id of a new quote coupon."""
    made = ask(sandbox, "POST", f"sobjects/{COUPON}", json={"stripeConnector__Percent_Off__c": 10})
    return str(made.json()["id"])


def drafted_order(salesforce: SalesforceService) -> str:
    """The id of a draft order whose quote has two coupons."""
    account = salesforce.create("Account", {"Name": "A"})
    quote = salesforce.create("SBQQ__Quote__c", {"SBQQ__Account__c": account})
    for _ in range(2):
        coupon = salesforce.create("Quote_Stripe_Coupon__c", {"Percent_Off__c": 10})
        association = {"Quote__c": quote, "Quote_Stripe_Coupon__c": coupon}
        salesforce.create("Quote_Stripe_Coupon_Association__c", association)
    order = {"AccountId": account, "EffectiveDate": "2026-11-02", "Status": "Draft"}
    return salesforce.create("Order", order | {"SBQQ__Quote__c": quote})


def test_everything_that_can_be_turned_is_listed(sandbox: Sandbox) -> None:
    """Whoever has the address only has to find out what there is."""
    listed = requests.get(control(sandbox, ""), timeout=5).json()

    for path, methods in listed["endpoints"].items():
        answer = requests.get(f"{sandbox.addresses.stripe_url}{path}", timeout=5)
        assert answer.status_code == (200 if "GET" in methods else 405)
    for page in listed["pages"]:
        assert requests.get(f"{sandbox.addresses.stripe_url}{page}", timeout=5).status_code == 200


@pytest.mark.parametrize("mode", ["fails_silently", "partial", "absent", "late"])
@pytest.mark.parametrize("for_all", [True, False])
def test_the_trigger_is_set_for_all_orders_or_for_one(
    sandbox: Sandbox, mode: str, *, for_all: bool
) -> None:
    """Each way in which a snapshot can be missing is rehearsed from outside."""
    salesforce = sandbox.salesforce

    order_id = sandbox.run_on_loop(lambda: drafted_order(salesforce))
    body = {"mode": mode} | ({} if for_all else {"orders": [order_id]})

    def coupons() -> int:
        return len(sandbox.run_on_loop(lambda: salesforce.all("Order_Stripe_Coupon__c")))

    shown = requests.post(control(sandbox, "trigger"), json=body, timeout=5).json()
    ask(sandbox, "PATCH", f"sobjects/Order/{order_id}", json={"Status": "Activated"})
    at_once = coupons()
    requests.post(control(sandbox, "clock"), json={"advance_seconds": 60}, timeout=5)
    failures = requests.get(control(sandbox, "trigger"), timeout=5).json()["failures"]

    assert shown["mode"] == (mode if for_all else "works")
    assert at_once == (1 if mode == "partial" else 0)
    assert coupons() == {"partial": 1, "late": 2}.get(mode, 0)
    assert failures == ([order_id] if mode == "fails_silently" else [])


def test_new_rows_are_seen_late(sandbox: Sandbox) -> None:
    """A reader that goes on from the latest stamp that it saw loses them."""
    body = {"object": "Quote_Stripe_Coupon__c", "seconds": 600}
    requests.post(control(sandbox, "late_rows"), json=body, timeout=5)
    made_coupon(sandbox)

    def seen() -> int:
        count = {"q": f"SELECT COUNT() FROM {COUPON}"}
        return int(ask(sandbox, "GET", "query", params=count).json()["totalSize"])

    before = seen()
    requests.post(control(sandbox, "clock"), json={"advance_seconds": 600}, timeout=5)

    assert (before, seen()) == (0, 1)


def test_what_the_trigger_writes_is_seen_late_too(sandbox: Sandbox) -> None:
    """The transaction of an activation may be open for minutes."""
    salesforce = sandbox.salesforce
    body = {"object": "Order_Stripe_Coupon__c", "seconds": 600}
    requests.post(control(sandbox, "late_rows"), json=body, timeout=5)
    ask(
        sandbox,
        "PATCH",
        f"sobjects/Order/{sandbox.run_on_loop(lambda: drafted_order(salesforce))}",
        json={"Status": "Activated"},
    )

    def seen() -> int:
        count = {"q": "SELECT COUNT() FROM stripeConnector__Order_Stripe_Coupon__c"}
        return int(ask(sandbox, "GET", "query", params=count).json()["totalSize"])

    before = seen()
    requests.post(control(sandbox, "clock"), json={"advance_seconds": 600}, timeout=5)

    assert (before, seen()) == (0, 2)


def test_a_record_is_locked_so_many_times(sandbox: Sandbox) -> None:
    """Somebody else's transaction holds it for a moment."""
    coupon = made_coupon(sandbox)
    requests.post(control(sandbox, "locked_rows"), json={"id": coupon, "times": 1}, timeout=5)

    def change() -> int:
        body = {"stripeConnector__Name__c": "New"}
        return ask(sandbox, "PATCH", f"sobjects/{COUPON}/{coupon}", json=body).status_code

    assert [change(), change()] == [400, 204]


def test_sessions_are_opened_limited_and_ended(sandbox: Sandbox) -> None:
    """Tokens end without warning, and not every user may do everything."""
    users = requests.get(control(sandbox, "sessions"), timeout=5).json()["users"]
    body = {"user": users[0], "lifetime_seconds": 60}
    short = requests.post(control(sandbox, "sessions"), json=body, timeout=5).json()
    keys = requests.get(control(sandbox, "keys"), timeout=5).json()
    before = ask(sandbox, "GET", "limits", token=short["access_token"]).status_code
    requests.post(control(sandbox, "clock"), json={"advance_seconds": 61}, timeout=5)
    after = ask(sandbox, "GET", "limits", token=short["access_token"]).status_code
    lasting = [ask(sandbox, "GET", "limits", token=one) for one in keys["salesforce"].values()]
    requests.delete(control(sandbox, "sessions"), timeout=5)

    assert (before, after) == (200, 401)
    assert [one.status_code for one in lasting] == [200, 200]
    assert ask(sandbox, "GET", "limits").json()[0]["errorCode"] == "INVALID_SESSION_ID"


def test_the_calls_of_the_day_run_out(sandbox: Sandbox) -> None:
    """An org that is full refuses every call until tomorrow."""
    requests.post(control(sandbox, "api_usage"), json={"used": 9, "limit": 10}, timeout=5)

    last, refused = ask(sandbox, "GET", "limits"), ask(sandbox, "GET", "limits")

    assert last.headers["Sforce-Limit-Info"] == "api-usage=10/10"
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")


def test_a_key_of_the_live_account_is_made(sandbox: Sandbox) -> None:
    """A guard against real money is tried with a key that looks like real money."""
    body = {"permissions": ["rak_coupon_write"], "livemode": True}
    restricted = requests.post(control(sandbox, "restricted_keys"), json=body, timeout=5).json()
    keys = requests.get(control(sandbox, "keys"), timeout=5).json()["stripe"]

    made = requests.post(
        f"{sandbox.addresses.stripe_url}/v1/coupons",
        data={"percent_off": "10"},
        auth=(restricted["api_key"], ""),
        timeout=5,
    )

    assert restricted["api_key"].startswith("rk_live_")
    assert made.json()["livemode"] is True
    assert keys["live"].startswith("sk_live_")
    assert keys["test"] == sandbox.addresses.stripe_api_key


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("trigger", {"mode": "sometimes"}),
        ("trigger", {}),
        ("trigger", {"mode": "late", "orders": ["801000000000000AAA"]}),
        ("late_rows", {"object": "Nope", "seconds": 1}),
        ("late_rows", {"object": "Order", "seconds": "1"}),
        ("locked_rows", {"id": "nonsense"}),
        ("sessions", {"user": "nobody"}),
        ("api_usage", {"limit": -1}),
        ("faults", {"service": "stripe", "kind": "slow", "times": "2"}),
        ("faults", {"service": "stripe", "kind": "slow", "path": "("}),
        ("faults", {"service": "stripe", "kind": "slow", "probability": 2}),
    ],
)
def test_a_knob_that_does_not_exist_or_has_no_such_position_is_refused(
    sandbox: Sandbox, path: str, body: dict[str, Any]
) -> None:
    """A typing error that is taken silently makes a rehearsal of nothing."""
    answer = requests.post(control(sandbox, path), json=body, timeout=5)

    assert answer.status_code == 400
    assert answer.json()["error"]
