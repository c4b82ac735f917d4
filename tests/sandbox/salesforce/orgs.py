"""Orgs served over HTTP, simple-salesforce talking to them, and what a client builds there."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce, SFType
from simple_salesforce.exceptions import SalesforceError

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.journal import Journal
from coupon_pipeline.sandbox.listening import Listener, LoopThread
from coupon_pipeline.sandbox.salesforce import SalesforceService
from coupon_pipeline.sandbox.switches import Switches

NAMESPACE = "stripeConnector"
START = datetime(2026, 9, 1, 10, 0, 0, tzinfo=UTC)


class ToTheSandbox(HTTPAdapter):
    """Sends what is meant for salesforce.com to a local address."""

    def __init__(self, url: str) -> None:
        self._url = url
        super().__init__()

    def send(
        self, request: requests.PreparedRequest, *arguments: Any, **options: Any
    ) -> requests.Response:
        asked = urlsplit(str(request.url))
        request.headers["Host"] = asked.netloc
        query = f"?{asked.query}" if asked.query else ""
        request.url = f"{self._url}{asked.path}{query}"
        return super().send(request, *arguments, **options)


@dataclass
class Served:
    """One org and the ways to it."""

    service: SalesforceService
    clock: Clock
    switches: Switches
    url: str
    sessions: list[requests.Session] = field(default_factory=list)

    def session(self) -> requests.Session:
        session = requests.Session()
        session.mount("https://", ToTheSandbox(self.url))
        self.sessions.append(session)
        return session

    def client(self, token: str | None = None, version: str = "59.0") -> Salesforce:
        return Salesforce(
            instance="acme.my.salesforce.com",
            session_id=token or self.service.access_token,
            session=self.session(),
            version=version,
        )

    def login(self, **credentials: Any) -> Salesforce:
        return Salesforce(session=self.session(), **credentials)

    def ask(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> requests.Response:
        sent = {"Authorization": f"Bearer {self.service.access_token}"} | (headers or {})
        return requests.request(method, self.url + path, headers=sent, timeout=30, **options)


class Orgs:
    """Makes orgs for one test and closes them behind it."""

    def __init__(self, loop: LoopThread) -> None:
        self._loop = loop
        self._open: list[tuple[Listener, Served]] = []

    def make(
        self,
        *,
        namespace: str = NAMESPACE,
        multi_currency: bool = True,
        journal: Journal | None = None,
        clock: Clock | None = None,
    ) -> Served:
        clock, switches = clock or Clock(START, frozen=True), Switches()
        listener = Listener()
        service = SalesforceService(
            clock,
            switches,
            journal or Journal(),
            7,
            namespace=namespace,
            multi_currency=multi_currency,
            instance_url=listener.url,
        )
        self._loop.complete(listener.open(service.app))
        served = Served(service, clock, switches, listener.url)
        self._open.append((listener, served))
        return served

    def close(self) -> None:
        for listener, served in self._open:
            for session in served.sessions:
                session.close()
            self._loop.complete(listener.close())


@dataclass
class Deal:
    """A quote with two lines, an order of it, and a coupon at each level."""

    account: str
    quote: str
    lines: list[str]
    order: str
    items: list[str]
    order_coupon_source: str
    item_coupon_source: str
    associations: list[str]


def created(answer: object) -> str:
    assert isinstance(answer, dict)
    assert answer["success"]
    return str(answer["id"])


def of(sf: Salesforce, name: str) -> SFType:
    found = getattr(sf, name)
    assert isinstance(found, SFType)
    return found


def rest(sf: Salesforce, path: str, **options: Any) -> Any:
    return sf.restful(path, **options)


def ns(name: str) -> str:
    return f"{NAMESPACE}__{name}"


def a_coupon(sf: Salesforce, **values: object) -> str:
    body = {ns("Name__c"): "Ten", ns("Percent_Off__c"): 10, ns("Duration__c"): "once"} | values
    return created(of(sf, ns("Quote_Stripe_Coupon__c")).create(body))


def a_deal(sf: Salesforce) -> Deal:
    """A draft order ready to be activated, made only of calls a client can make."""
    account = created(of(sf, "Account").create({"Name": "Acme"}))
    book = created(of(sf, "Pricebook2").create({"Name": "Standard", "IsActive": True}))
    product = created(of(sf, "Product2").create({"Name": "Seat", "IsActive": True}))
    entry = created(
        of(sf, "PricebookEntry").create(
            {"Pricebook2Id": book, "Product2Id": product, "UnitPrice": 99.5, "IsActive": True}
        )
    )
    quote = created(of(sf, "SBQQ__Quote__c").create({"SBQQ__Account__c": account}))
    lines = [
        created(
            of(sf, "SBQQ__QuoteLine__c").create(
                {"SBQQ__Quote__c": quote, "SBQQ__Product__c": product, "SBQQ__Quantity__c": n}
            )
        )
        for n in (1, 2)
    ]
    order = created(
        of(sf, "Order").create(
            {
                "AccountId": account,
                "EffectiveDate": "2026-09-01",
                "Status": "Draft",
                "Pricebook2Id": book,
                "SBQQ__Quote__c": quote,
                "Type": "New",
            }
        )
    )
    items = [
        created(
            of(sf, "OrderItem").create(
                {
                    "OrderId": order,
                    "PricebookEntryId": entry,
                    "Quantity": 1,
                    "UnitPrice": 99.5,
                    "SBQQ__QuoteLine__c": line,
                }
            )
        )
        for line in lines
    ]
    first, second = a_coupon(sf), a_coupon(sf, **{ns("Name__c"): "Twenty"})
    associations = [
        created(
            of(sf, ns("Quote_Stripe_Coupon_Association__c")).create(
                {ns("Quote__c"): quote, ns("Quote_Stripe_Coupon__c"): first}
            )
        ),
        created(
            of(sf, ns("Quote_Line_Stripe_Coupon_Association__c")).create(
                {ns("Quote_Line__c"): lines[0], ns("Quote_Stripe_Coupon__c"): second}
            )
        ),
    ]
    return Deal(account, quote, lines, order, items, first, second, associations)


def code_of(error: SalesforceError) -> str:
    """The errorCode of the first error in a refusal."""
    content: Any = error.content
    return str(content[0]["errorCode"])


def message_of(error: SalesforceError) -> str:
    content: Any = error.content
    return str(content[0]["message"])
