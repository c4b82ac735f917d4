"""How fast the sandbox is: `python tests/benchmarks/sandbox.py [--orders N]`.

Prints numbers and asserts nothing: they depend on the machine and on what else it does, which is
why the load is printed too, and beside the rate the processor time of either side: with a core for
each, the slower of the two is the rate. The sandbox runs as a user starts it, `coupon-pipeline
sandbox`; the client is this process.
"""

import argparse
import contextlib
import http.client
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import click
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce

FIELDS = (
    "Id, OrderNumber, AccountId, EffectiveDate, Status, StatusCode, ActivatedDate, Type, "
    "CurrencyIsoCode, CreatedDate, LastModifiedDate, SystemModstamp, stripeConnector__Stripe_ID__c"
)
STRIPE_REQUESTS = 4000
CONNECTIONS = 4
REPEATS = 3

Addresses: TypeAlias = dict[str, dict[str, str]]
"""What `coupon-pipeline sandbox --json` prints."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    orders: int = parser.parse_args().orders
    click.echo(f"{os.cpu_count()} cores, Python {platform.python_version()}, {orders:,} orders")
    click.echo(f"load {os.getloadavg()[0]:.1f} before; it is 1 for each core that is busy")
    report("command to first answer, empty", min(started("--empty") for _ in range(REPEATS)), "s")
    report("command to first answer, 200 orders", started("--orders", "200"), "s")
    began = time.perf_counter()
    with served("--orders", str(orders)) as (addresses, process):
        report("command to first answer, all orders", time.perf_counter() - began, "s")
        report("processor time of that", processor_seconds(process), "s")
        for what in ("first time", *("again",) * (REPEATS - 1)):
            ours, theirs = time.process_time(), processor_seconds(process)
            rows, seconds = read_orders(addresses)
            ours, theirs = time.process_time() - ours, processor_seconds(process) - theirs
            report(f"{rows:,} rows page by page, {what}", rows / seconds, "rows/s")
            report("  for each second of the client", rows / ours, "rows/s")
            report("  for each second of the sandbox", rows / theirs, "rows/s")
        for method, what in (("POST", "Stripe writes"), ("GET", "Stripe reads")):
            report(what, stripe_rate(addresses, method), "requests/s")
    click.echo(f"load {os.getloadavg()[0]:.1f} after")


@contextlib.contextmanager
def served(*arguments: str) -> Iterator[tuple[Addresses, subprocess.Popen[str]]]:
    """The sandbox in a process and a folder of its own, once it has answered."""
    command = Path(sys.executable).with_name("coupon-pipeline")
    with (
        tempfile.TemporaryDirectory() as folder,
        # our own command with arguments from above
        subprocess.Popen(
            [command, "sandbox", "--json", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            addresses: Addresses = json.loads(process.stdout.readline())
            requests.get(f"{addresses['stripe']['url']}/_sandbox/clock", timeout=60)
            yield addresses, process
        finally:
            process.terminate()


def started(*arguments: str) -> float:
    """Seconds from the command to the first answer."""
    began = time.perf_counter()
    with served(*arguments):
        return time.perf_counter() - began


def processor_seconds(process: subprocess.Popen[str]) -> float:
    """What the process has used so far; NaN where the system does not say."""
    with contextlib.suppress(OSError, IndexError):
        fields = Path(f"/proc/{process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return float("nan")


def read_orders(addresses: Addresses) -> tuple[int, float]:
    """All orders with simple-salesforce, 2,000 a page; rows and seconds."""
    client = Salesforce(
        instance="acme.my.salesforce.com",
        session_id=addresses["salesforce"]["access_token"],
        session=redirected(addresses["salesforce"]["url"]),
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
        connection = http.client.HTTPConnection(addresses["stripe"]["url"].removeprefix("http://"))
        headers = {
            "Authorization": f"Bearer {addresses['stripe']['api_key']}",
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


def report(what: str, number: float, unit: str) -> None:
    """One line."""
    click.echo(f"{what:40} {number:12,.2f} {unit}")


if __name__ == "__main__":
    main()
