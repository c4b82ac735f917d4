"""The control API."""

import requests

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
