"""How fast the sandbox is: `python tests/benchmarks/sandbox.py [--orders N]`.

Prints numbers and asserts nothing: they depend on the machine. The client is a process of its own.
"""

import argparse
import http.client
import multiprocessing
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import click
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce

from coupon_pipeline.sandbox.serving import Addresses, Sandbox

FIELDS = (
    "Id, OrderNumber, AccountId, EffectiveDate, Status, StatusCode, ActivatedDate, Type, "
    "CurrencyIsoCode, CreatedDate, LastModifiedDate, SystemModstamp, stripeConnector__Stripe_ID__c"
)
STRIPE_REQUESTS = 4000
CONNECTIONS = 4


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    orders: int = parser.parse_args().orders
    click.echo(f"{os.cpu_count()} cores, Python {platform.python_version()}, {orders:,} orders")
    report("start without a company", timed(start_and_stop), "s")
    report("start with 200 orders", timed(lambda: start_and_stop(200)), "s")
    began = time.perf_counter()
    sandbox = Sandbox(orders=orders, record_calls=False)
    report("make the company", time.perf_counter() - began, "s")
    # a client in the same process would share the interpreter lock with the server
    spawned = multiprocessing.get_context("spawn")
    with sandbox, ProcessPoolExecutor(1, spawned) as client:
        rows, seconds = client.submit(read_orders, sandbox.addresses).result()
        report("Salesforce rows, page by page", rows / seconds, "rows/s")
        for method, what in (("POST", "Stripe writes"), ("GET", "Stripe reads")):
            rate = client.submit(stripe_rate, sandbox.addresses, method).result()
            report(what, rate, "requests/s")


def start_and_stop(orders: int = 0) -> None:
    """A whole life of a sandbox."""
    with Sandbox(orders=orders, company=orders > 0):
        pass


def read_orders(addresses: Addresses) -> tuple[int, float]:
    """All orders with simple-salesforce, 2,000 a page; rows and seconds."""
    client = Salesforce(
        instance="acme.my.salesforce.com",
        session_id=addresses.salesforce_access_token,
        session=redirected(addresses.salesforce_url),
        version="64.0",
    )
    began = time.perf_counter()
    rows = sum(1 for _ in client.query_all_iter(f"SELECT {FIELDS} FROM Order"))
    return rows, time.perf_counter() - began


def redirected(url: str) -> requests.Session:
    """A session whose requests to the org go to the sandbox: the library knows https only."""

    class Redirect(HTTPAdapter):
        def send(self, request: requests.PreparedRequest, **kwargs: object) -> requests.Response:  # type: ignore[override] # passes on what it gets
            path = str(request.url).split(".salesforce.com", 1)[1]
            request.url = url + path
            return super().send(request, **kwargs)  # type: ignore[arg-type] # the same

    session = requests.Session()
    session.mount("https://", Redirect())
    return session


def stripe_rate(addresses: Addresses, method: str) -> float:
    """Requests a second over a few kept connections."""

    def work(worker: int) -> None:
        host = addresses.stripe_url.removeprefix("http://")
        connection = http.client.HTTPConnection(host)
        headers = {
            "Authorization": f"Bearer {addresses.stripe_api_key}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        for number in range(STRIPE_REQUESTS // CONNECTIONS):
            body = f"id=bench-{worker}-{number}&percent_off=10" if method == "POST" else None
            path = "/v1/coupons" if method == "POST" else f"/v1/coupons/bench-{worker}-{number}"
            connection.request(method, path, body=body, headers=headers)
            connection.getresponse().read()
        connection.close()

    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(work, range(CONNECTIONS)))
    return STRIPE_REQUESTS / (time.perf_counter() - began)


def timed(work: Callable[[], None]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def report(what: str, number: float, unit: str) -> None:
    """One line."""
    click.echo(f"{what:32} {number:12,.2f} {unit}")


if __name__ == "__main__":
    main()
