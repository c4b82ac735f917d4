"""Keys, errors, idempotency, limits, lists and expansion, over plain HTTP and the SDK."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import requests
import stripe

from coupon_pipeline.sandbox.serving import Sandbox
from tests.sandbox.stripe.shop import Shop, refused


class Plain:
    """Requests without the SDK."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.key = sandbox.addresses.stripe_api_key
        self.session = requests.Session()

    def __call__(
        self, method: str, path: str, body: str = "", key: str | None = None, **headers: str
    ) -> requests.Response:
        """Send a form; `headers` with underscores instead of dashes."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key != "":
            sent["Authorization"] = f"Bearer {key or self.key}"
        if body:
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        url = self.sandbox.addresses.stripe_url + path
        return self.session.request(method, url, data=body, headers=sent, timeout=10)


@pytest.fixture
def plain(sandbox: Sandbox) -> Iterator[Plain]:
    """Requests without the SDK."""
    made = Plain(sandbox)
    with made.session:
        yield made


def test_a_request_without_a_known_key_is_refused(plain: Plain) -> None:
    """With 401 and Stripe's shape."""
    for key in ("", "sk_test_wrong"):
        answer = plain("GET", "/v1/coupons", key=key)
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "invalid_request_error"
    assert requests.get(
        f"{plain.sandbox.addresses.stripe_url}/v1/balance", auth=(plain.key, ""), timeout=10
    ).ok


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/cupons"), ("DELETE", "/v1/coupons"), ("PUT", "/v1/coupons/X"), ("GET", "/v2/x")],
)
def test_an_unknown_address_is_404(plain: Plain, method: str, path: str) -> None:
    """Also a known one with another method."""
    answer = plain(method, path)

    assert answer.status_code == 404
    assert answer.json()["error"]["message"].startswith(
        f"Unrecognized request URL ({method}: {path})"
    )


def test_every_answer_has_a_request_id_and_the_version(plain: Plain) -> None:
    """The refusals too."""
    good = plain("GET", "/v1/coupons", Stripe_Version="2026-10-28.endive")
    bad = plain("GET", "/v1/coupons/no")

    assert good.headers["Request-Id"].startswith("req_")
    assert good.headers["Stripe-Version"] == stripe.api_version
    assert bad.headers["Request-Id"] in bad.json()["error"]["request_log_url"]
    assert plain("GET", "/v1/coupons", Stripe_Version="latest").status_code == 400


def test_a_body_that_is_no_form_is_refused(plain: Plain) -> None:
    """JSON, contradictory keys, malformed brackets."""
    assert (
        plain("POST", "/v1/coupons", '{"a": 1}', Content_Type="application/json").status_code == 400
    )
    for body in ("metadata=1&metadata[a]=2", "a]b=1", "items[0=1", "percent_off[a]=1"):
        assert plain("POST", "/v1/coupons", body).status_code == 400


def test_unknown_parameters_are_named_at_every_depth(plain: Plain) -> None:
    """Silence would hide our mistakes."""
    body = "percent_off=1&applies_to[prices][0]=x&foo=1"

    error = plain("POST", "/v1/coupons", body).json()["error"]

    assert error["code"] == "parameter_unknown"
    assert error["message"] == "Received unknown parameters: applies_to[prices], foo"


def test_what_the_sandbox_does_not_implement_it_says(shop: Shop) -> None:
    """A parameter of the SDK is never just ignored."""
    error = refused(lambda: shop.subscribe(add_invoice_items=[{"price": shop.price}]))

    assert (error.code, error.param) == ("parameter_unknown", "add_invoice_items")
    assert "sandbox does not implement" in str(error.message)


def test_a_key_repeats_its_first_answer_and_refuses_other_parameters(plain: Plain) -> None:
    """For 24 hours of the sandbox's clock."""
    send = partial(plain, "POST", "/v1/coupons", Idempotency_Key="k1")
    first, second = send("percent_off=10"), send("percent_off=10")
    other = send("percent_off=11")
    assert first.json() == second.json()
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Original-Request"] == first.headers["Request-Id"]
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")

    plain.sandbox.run_on_loop(
        lambda: plain.sandbox.clock.set(plain.sandbox.clock.now().replace(day=4))
    )

    assert send("percent_off=10").json()["id"] != first.json()["id"]


def test_a_refused_parameter_leaves_its_key_free(plain: Plain) -> None:
    """Only what was carried out is kept."""
    send = partial(plain, "POST", "/v1/coupons", Idempotency_Key="k1")
    assert send("percent_off=150").status_code == 400
    assert send("percent_off=15").status_code == 200


def test_a_failure_after_the_work_is_kept_under_the_key(plain: Plain) -> None:
    """The work is done, and the same key only ever answers 500."""
    rule: dict[str, Any] = {"service": "stripe", "kind": "error_after", "method": "POST"}
    requests.post(f"{plain.sandbox.addresses.stripe_url}/_sandbox/faults", json=rule, timeout=10)
    send = partial(plain, "POST", "/v1/coupons", "percent_off=10&id=X", Idempotency_Key="k1")

    answers = [send().status_code, send().status_code]

    assert answers == [500, 500]
    assert plain("GET", "/v1/coupons/X").status_code == 200


def test_a_restricted_key_is_told_which_permission_it_lacks(shop: Shop, plain: Plain) -> None:
    """To write includes to read."""
    key = shop.sandbox.stripe.restricted_key("rak_coupon_write")

    assert plain("GET", "/v1/coupons", key=key).status_code == 200
    answer = plain("GET", "/v1/subscriptions", key=key)
    assert answer.status_code == 403
    assert "'rak_subscription_read'" in answer.json()["error"]["message"]


def test_live_and_test_mode_have_nothing_in_common(shop: Shop, plain: Plain) -> None:
    """Whether the error says so is a switch."""
    shop.percent("X", 10)
    live = shop.sandbox.stripe.live_api_key
    assert plain("GET", "/v1/balance", key=live).json()["livemode"] is True
    missing = plain("GET", "/v1/coupons/X", key=live)
    shop.switch(wrong_mode="livemode_mismatch")
    mismatch = plain("GET", "/v1/coupons/X", key=live)

    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "resource_missing")
    assert "test mode" in missing.json()["error"]["message"]
    assert (mismatch.status_code, mismatch.json()["error"]["code"]) == (400, "livemode_mismatch")


def test_another_account_has_other_objects(shop: Shop, plain: Plain) -> None:
    """An account that the key has nothing to do with is refused."""
    shop.percent("X", 10)
    shop.sandbox.run_on_loop(lambda: shop.sandbox.stripe.connect("acct_connected"))
    unknown = plain("GET", "/v1/coupons/X", Stripe_Account="acct_unknown")

    assert (unknown.status_code, unknown.json()["error"]["code"]) == (403, "account_invalid")
    assert plain("GET", "/v1/coupons/X", Stripe_Account="acct_connected").status_code == 404
    assert plain("GET", "/v1/account").json()["id"] == shop.sandbox.stripe.account_id


def test_limits_answer_429_with_their_reason(shop: Shop, plain: Plain) -> None:
    """By the sandbox's clock where it stands still."""
    shop.switch(rate_limits="live")
    statuses = [plain("GET", "/v1/coupons") for _ in range(26)]
    assert [one.status_code for one in statuses] == [200] * 25 + [429]
    assert statuses[-1].headers["Stripe-Rate-Limited-Reason"] == "endpoint-rate"
    paths = ["customers", "products", "prices", "invoices"]
    others = [plain("GET", f"/v1/{path}") for path in paths for _ in range(20)]
    reasons = {one.headers.get("Stripe-Rate-Limited-Reason") for one in others}
    assert reasons == {None, "global-rate"}

    shop.advance(seconds=1)

    assert plain("GET", "/v1/coupons").status_code == 200


@pytest.mark.parametrize(("counted", "last"), [("path", 429), ("method_and_path", 404)])
def test_an_endpoint_is_a_path_with_or_without_its_method(
    shop: Shop, plain: Plain, counted: str, last: int
) -> None:
    """The documentation does not define it."""
    shop.switch(rate_limits="live", endpoint_limit=counted)
    for _ in range(25):
        plain("GET", "/v1/coupons/X")

    assert plain("POST", "/v1/coupons/X").status_code == last


def test_lists_are_newest_first_and_paged_by_cursors(shop: Shop) -> None:
    """https://docs.stripe.com/api/pagination explains them."""
    for number in range(5):
        shop.percent(f"C{number}", 10)
        shop.advance(seconds=1)

    def ids(**params: Any) -> list[str]:
        return [one.id for one in shop.v1.coupons.list(params).data]

    assert ids() == ["C4", "C3", "C2", "C1", "C0"]
    page = shop.v1.coupons.list({"limit": 2})
    assert (page.has_more, [one.id for one in page.data]) == (True, ["C4", "C3"])
    assert ids(limit=2, starting_after="C3") == ["C2", "C1"]
    assert ids(limit=2, ending_before="C1") == ["C3", "C2"]
    assert [one.id for one in page.auto_paging_iter()] == ["C4", "C3", "C2", "C1", "C0"]
    assert ids(created={"gte": shop.now() - 2}) == ["C4", "C3"]
    assert refused(lambda: ids(limit=101)).param == "limit"
    assert refused(lambda: ids(starting_after="no")).code == "resource_missing"
    assert refused(lambda: ids(name="x")).code == "parameter_unknown"


def test_expansion_goes_four_levels_deep(shop: Shop) -> None:
    """And in lists it starts with `data.`."""
    shop.percent("A", 10)
    item = {"price": shop.price, "discounts": [{"coupon": "A"}]}
    made = shop.subscribe(items=[item], discounts=[{"coupon": "A"}])
    get = shop.v1.subscriptions.retrieve

    listed = shop.v1.subscriptions.list({"expand": ["data.discounts.source.coupon"]}).data[0]
    assert listed.discounts[0].source.coupon.id == "A"
    read = get(made.id, {"expand": ["items.data.discounts", "customer", "latest_invoice"]})
    assert read["items"].data[0].discounts[0].source.coupon == "A"
    assert read.customer.name == "Ada"
    deep = "items.data.discounts.source.coupon"
    assert refused(lambda: get(made.id, {"expand": [deep]})).param == "expand"
    shop.switch(expand_levels="without_data")
    assert get(made.id, {"expand": [deep]})["items"].data[0].discounts[0].source.coupon.id == "A"
    assert refused(lambda: get(made.id, {"expand": ["colour"]})).param == "expand"
    assert refused(lambda: shop.v1.subscriptions.list({"expand": ["discounts"]})).param == "expand"


def test_a_search_sees_a_change_late(shop: Shop) -> None:
    """Never right after the write."""
    made = shop.subscribe(metadata={"salesforce_order_id": "801"})
    query = {"query": "metadata['salesforce_order_id']:'801' AND status:'active'"}
    assert shop.v1.subscriptions.search(query).data == []

    shop.advance(minutes=1)

    assert [one.id for one in shop.v1.subscriptions.search(query).data] == [made.id]
    assert shop.v1.subscriptions.search({"query": "-metadata['a']:null"}).data == []
    assert refused(lambda: shop.v1.subscriptions.search({"query": "name:'x'"})).param == "query"
    assert refused(lambda: shop.v1.subscriptions.search({"query": "status="})).param == "query"


def test_subscriptions_are_listed_by_status_customer_and_price(shop: Shop) -> None:
    """Without a status, all but the cancelled ones."""
    other = shop.new_price(2000)
    first, second = shop.subscribe(), shop.subscribe(items=[{"price": other}])
    shop.v1.subscriptions.cancel(first.id)

    def ids(**params: Any) -> list[str]:
        return [one.id for one in shop.v1.subscriptions.list(params).data]

    assert ids(customer=shop.customer) == [second.id]
    assert ids(status="canceled") == [first.id]
    assert ids(status="all") == [second.id, first.id]
    assert ids(price=other) == [second.id]
    assert ids(price=shop.price) == []


def test_the_account_and_its_balance_can_be_read(shop: Shop) -> None:
    """The first thing that a client does to learn whose key it has."""
    account = shop.v1.accounts.retrieve_current()

    assert account.id == shop.v1.accounts.retrieve(account.id).id
    assert shop.v1.balance.retrieve().livemode is False
    assert refused(lambda: shop.v1.accounts.retrieve("acct_other")).code == "account_invalid"


@pytest.mark.parametrize(
    "path",
    [
        "customer.discount.source.coupon",
        "customer.subscriptions",
        "items.data.price.product",
        "latest_invoice.total_discount_amounts.discount",
        "latest_invoice.lines.data.discounts",
        "discounts.promotion_code",
        "schedule.phases.items.price",
        "default_payment_method",
    ],
)
def test_paths_that_the_api_has_can_be_expanded(shop: Shop, path: str) -> None:
    """What comes of them is held against the SDK's types, too."""
    shop.percent("A", 10)
    item = {"price": shop.price, "discounts": [{"coupon": "A"}]}
    made = shop.subscribe(items=[item], discounts=[{"coupon": "A"}])
    shop.v1.subscription_schedules.create({"from_subscription": made.id})

    assert shop.v1.subscriptions.retrieve(made.id, {"expand": [path]}).id == made.id


def test_a_deleted_customer_is_a_tombstone_and_nothing_of_it_goes_on(shop: Shop) -> None:
    """Its subscriptions and schedules end with it; what can be read stays readable."""
    shop.percent("A", 10)
    made = shop.subscribe(discounts=[{"coupon": "A"}])
    phases = [{"items": [{"price": shop.price}], "duration": {"interval": "month"}}]
    later = {"customer": shop.customer, "start_date": shop.now() + 60, "phases": phases}
    schedule = shop.v1.subscription_schedules.create(later)

    assert shop.v1.customers.delete(shop.customer).deleted
    shop.advance(days=62)

    assert shop.v1.customers.retrieve(shop.customer).deleted
    assert shop.get(made.id).status == "canceled"
    assert shop.v1.subscription_schedules.retrieve(schedule.id).status == "canceled"
    assert shop.v1.customers.list().data == []
    assert refused(shop.subscribe).code == "resource_missing"
