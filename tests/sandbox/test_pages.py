"""The pages for people, as HTML over HTTP."""

from dataclasses import dataclass, field
from functools import partial
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from coupon_pipeline.sandbox.serving import Sandbox

VOID = {"meta", "link", "input", "br"}
MOST_PAGES = 250
LANDMARKS = {"header", "main", "footer", "nav"}


@dataclass
class Html(HTMLParser):
    """What a page is made of."""

    text: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    words: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of all elements of that name."""
        return [attributes for name, attributes in self.tags if name == tag]


def page(url: str, status: int = 200) -> Html:
    """A page, its elements properly closed."""
    answer = requests.get(url, timeout=5)
    assert answer.status_code == status, url
    html = Html(answer.text)
    assert html.open == []
    return html


def links(url: str, html: Html) -> set[str]:
    """Where one gets from a page, without fragments."""
    targets = (str(a["href"]) for a in html.all("a"))
    return {urljoin(url, target).partition("#")[0] for target in targets}


@pytest.mark.parametrize("service", ["salesforce_url", "stripe_url"])
def test_every_link_leads_somewhere_and_never_out_of_the_sandbox(
    company_sandbox: Sandbox, service: str
) -> None:
    """A report's link must lead somewhere, and no page may call anybody."""
    addresses = company_sandbox.addresses
    hosts = {urlsplit(url).netloc for url in (addresses.salesforce_url, addresses.stripe_url)}
    start: str = f"{getattr(addresses, service)}/"
    seen, ahead = {start}, [start]
    while ahead:
        url = ahead.pop(0)
        found = links(url, page(url))
        assert {urlsplit(one).netloc for one in found} <= hosts
        new = sorted(found - seen)[: MOST_PAGES - len(seen)]
        seen.update(new)
        ahead += new

    assert len(seen) == MOST_PAGES


@pytest.mark.parametrize(
    "path", ["/", "/_pages/clock", "/_pages/faults", "/_pages/switches", "/_pages/calls"]
)
@pytest.mark.parametrize("service", ["salesforce_url", "stripe_url"])
def test_a_page_is_usable_by_keyboard_and_screen_reader(
    company_sandbox: Sandbox, service: str, path: str
) -> None:
    """Landmarks, one main heading, captions, labels, a way past the menu."""
    html = page(getattr(company_sandbox.addresses, service) + path)

    assert html.all("html") == [{"lang": "en"}]
    assert {tag for tag, _ in html.tags} >= LANDMARKS
    assert len(html.all("h1")) == 1
    assert len(html.all("caption")) == len(html.all("table"))
    assert all("scope" in heading for heading in html.all("th"))
    labelled = {label["for"] for label in html.all("label")}
    controls = [one for one in html.all("input") if one.get("type") != "hidden"]
    assert {one["id"] for one in controls + html.all("select")} == labelled
    ids = [attributes["id"] for _, attributes in html.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert html.all("a")[0]["href"] == "#main"
    assert html.all("script") == []
    assert [link["href"] for link in html.all("link")] == ["/_pages/sandbox.css", "data:,"]


def test_an_order_shows_its_coupons_and_leads_to_its_subscription(
    company_sandbox: Sandbox,
) -> None:
    """The first question of a sales person: what did we sign, and is it there?"""
    addresses = company_sandbox.addresses
    association = company_sandbox.salesforce.all("Quote_Stripe_Coupon_Association__c")[0]
    (order,) = company_sandbox.salesforce.where("Order", "SBQQ__Quote__c", association["Quote__c"])
    coupon_id = association["Quote_Stripe_Coupon__c"]

    short = page(f"{addresses.salesforce_url}/{order['Id']}")
    lightning = page(f"{addresses.salesforce_url}/lightning/r/Order/{order['Id']}/view")

    assert links("/", short) == links("/", lightning)
    assert f"/{coupon_id}" in links("", short)
    stripe_page = f"{addresses.stripe_url}/test/subscriptions/{order['Stripe_ID__c']}"
    assert stripe_page in links("", short)
    assert f"{addresses.salesforce_url}/{order['Id']}" in links("", page(stripe_page))


def test_a_subscription_shows_its_discounts_by_level_and_its_next_invoice(
    company_sandbox: Sandbox,
) -> None:
    """What the customer will pay, and why."""
    sandbox = company_sandbox
    subscription = next(one for one in sandbox.stripe.all("subscription") if one["discounts"])

    html = page(f"{sandbox.addresses.stripe_url}/subscriptions/{subscription['id']}")

    assert "Handshake 5 %" in html.words
    assert "Whole subscription" in html.words
    assert "Next invoice" in html.words
    preview = sandbox.run_on_loop(lambda: sandbox.stripe.preview_invoice(subscription["id"]))
    assert preview is not None
    assert preview["total_discount_amounts"][0]["amount"] > 0
    assert html.words.count(preview["currency"].upper()) > 6


def test_stripe_addresses_work_with_and_without_mode_and_account(
    company_sandbox: Sandbox,
) -> None:
    """Sandboxes and accounts put segments of their own before the object's."""
    url = company_sandbox.addresses.stripe_url
    schedule = company_sandbox.stripe.all("subscription_schedule")[0]["id"]

    found = [
        page(f"{url}{start}/subscription_schedules/{schedule}").words
        for start in ("", "/test", "/acct_1N/test")
    ]

    assert "Phase 1" in found[0]
    assert len({words.partition("Details")[2] for words in found}) == 1


def test_what_is_not_there_says_so(sandbox: Sandbox) -> None:
    """A wrong id is a page, not a stack trace."""
    for url in (
        f"{sandbox.addresses.salesforce_url}/801000000000000AAA",
        f"{sandbox.addresses.salesforce_url}/lightning/o/Nothing/list",
        f"{sandbox.addresses.stripe_url}/test/coupons/none",
        f"{sandbox.addresses.stripe_url}/nothing/at/all",
    ):
        assert "No such page" in page(url, 404).words


def test_names_are_text_and_never_markup(sandbox: Sandbox) -> None:
    """Records come from anybody."""
    sandbox.run_on_loop(
        lambda: sandbox.stripe.create(
            "coupon", {"id": "X", "name": "<script>alert(1)</script>", "percent_off": "5"}
        )
    )

    html = page(f"{sandbox.addresses.stripe_url}/test/coupons/X")

    assert html.all("script") == []
    assert "<script>alert(1)</script>" in html.words


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</td></table><form action=//evil.example>",
    "{{7*7}} ${7*7} &lt;b&gt;",
    "javascript:alert(1)",
)


def test_what_people_type_is_text_on_every_page_of_a_record(sandbox: Sandbox) -> None:
    """In an element as well as in an attribute, in both services."""
    service = sandbox.salesforce
    names = [name[:40] for name in HOSTILE]
    accounts = sandbox.run_on_loop(
        lambda: [service.create("Account", {"Name": name}) for name in names]
    )
    for number, name in enumerate(names):
        params = {"id": f"H{number}", "name": name, "percent_off": "5"}
        sandbox.run_on_loop(partial(sandbox.stripe.create, "coupon", params))
    plain = sandbox.run_on_loop(lambda: service.create("Account", {"Name": "Plain"}))
    usual = {tag for tag, _ in page(f"{sandbox.addresses.salesforce_url}/{plain}").tags}

    for name, account in zip(names, accounts, strict=True):
        html = page(f"{sandbox.addresses.salesforce_url}/{account}")
        assert {tag for tag, _ in html.tags} <= usual, name
        assert not any(key.startswith("on") for _, found in html.tags for key in found), name
        assert name in html.words
    for number, name in enumerate(names):
        html = page(f"{sandbox.addresses.stripe_url}/test/coupons/H{number}")
        assert html.all("script") == [] == html.all("img"), name
        assert not any(key.startswith("on") for _, found in html.tags for key in found), name
        assert name in html.words


def test_the_clock_is_moved_by_a_form(sandbox: Sandbox) -> None:
    """A person lets a month pass and looks at the invoices."""
    url = f"{sandbox.addresses.stripe_url}/_pages/clock"

    moved = requests.post(url, data={"hours": "24"}, timeout=5, allow_redirects=False)
    requests.post(url, data={"to": "2026-11-05T10:00"}, timeout=5)
    back = requests.post(url, data={"to": "2020-01-01T00:00"}, timeout=5)

    assert (moved.status_code, moved.headers["location"]) == (303, "/_pages/clock")
    assert sandbox.clock.now().isoformat() == "2026-11-05T10:00:00+00:00"
    assert back.status_code == 400
    assert "only goes forward" in back.text


def test_a_fault_is_armed_and_disarmed_by_forms(sandbox: Sandbox) -> None:
    """Breaking something on purpose needs no programming."""
    url = f"{sandbox.addresses.salesforce_url}/_pages/faults"
    form = {
        "service": "salesforce",
        "do": "arm",
        "kind": "row_locked",
        "method": "PATCH",
        "path": "composite",
        "after": "0",
        "times": "",
        "milliseconds": "",
    }

    requests.post(url, data=form, timeout=5)
    assert "row_locked" in page(url).words
    ((_, rule, _),) = sandbox.faults.rules()
    assert (rule.kind, rule.method, rule.path, rule.times) == (
        "row_locked",
        "PATCH",
        "composite",
        None,
    )

    requests.post(url, data={"do": "disarm"}, timeout=5)
    assert sandbox.faults.rules() == []


def test_a_switch_is_turned_by_a_form(sandbox: Sandbox) -> None:
    """Each undecided point can be tried both ways."""
    url = f"{sandbox.addresses.stripe_url}/_pages/switches"

    requests.post(url, data={"salesforce_row_order": "scattered"}, timeout=5)

    assert sandbox.switches.salesforce_row_order == "scattered"


def test_a_form_of_another_site_is_refused(sandbox: Sandbox) -> None:
    """Any page in the same browser can post to this machine."""
    answer = requests.post(
        f"{sandbox.addresses.stripe_url}/_pages/clock",
        data={"hours": "24"},
        headers={"Origin": "https://elsewhere.example"},
        timeout=5,
    )

    assert answer.status_code == 403
    assert sandbox.clock.now().day == 2
