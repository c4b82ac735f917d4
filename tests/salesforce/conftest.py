"""An org of its own for each test, served over HTTP, and an edge that never waits."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from coupon_pipeline.salesforce import AccessToken, Login, Pacing, SalesforceEdge, Timeouts
from coupon_pipeline.salesforce.session import SalesforceSession, connect
from coupon_pipeline.sandbox.calls import CallLog, CallLogMiddleware
from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.faults import FaultMiddleware, FaultPlan
from coupon_pipeline.sandbox.journal import Journal
from coupon_pipeline.sandbox.listening import Listener, LoopThread
from coupon_pipeline.sandbox.salesforce import SalesforceService
from coupon_pipeline.sandbox.switches import Switches
from tests.salesforce.scripted import Open, ScriptedServer, Waits, scripted_server


@pytest.fixture
def clock() -> Clock:
    """The org's time: it stands still."""
    return Clock(datetime(2026, 3, 1, 12, tzinfo=UTC), frozen=True)


@pytest.fixture
def faults() -> FaultPlan:
    """What goes wrong on request."""
    return FaultPlan()


@pytest.fixture
def calls() -> CallLog:
    """The requests that the org received."""
    return CallLog()


@pytest.fixture
def namespace() -> str:
    """The managed package's namespace; a test may set another."""
    return "stripeConnector"


@pytest.fixture
def multi_currency() -> bool:
    """Whether the org has several currencies; a test may set it."""
    return True


@pytest.fixture(scope="session")
def loop_thread() -> Iterator[LoopThread]:
    """One event loop for the orgs of all tests."""
    thread = LoopThread()
    yield thread
    thread.stop()


@pytest.fixture
def salesforce(
    loop_thread: LoopThread,
    clock: Clock,
    faults: FaultPlan,
    calls: CallLog,
    namespace: str,
    multi_currency: bool,  # noqa: FBT001 - fixtures are given by name
) -> Iterator[SalesforceService]:
    """An org without any orders."""
    listener = Listener()
    service = SalesforceService(
        clock,
        Switches(),
        Journal(None),
        7,
        namespace=namespace,
        multi_currency=multi_currency,
        instance_url=listener.url,
    )
    faulty = FaultMiddleware(
        service.app, service="salesforce", plan=faults, fault_response=service.fault_response
    )
    loop_thread.complete(listener.open(CallLogMiddleware(faulty, service="salesforce", log=calls)))
    yield service
    loop_thread.complete(listener.close())


@pytest.fixture
def waited() -> list[float]:
    """The seconds that the edge would have waited."""
    return []


@pytest.fixture
def edge(
    salesforce: SalesforceService, namespace: str, waited: list[float]
) -> Iterator[SalesforceEdge]:
    """The edge, logged in as the integration user."""
    opened = SalesforceEdge(
        salesforce.instance_url,
        AccessToken(salesforce.access_token),
        namespace=namespace,
        api_version="67.0",
        pause=waited.append,
    )
    yield opened
    opened.close()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server that answers what the test tells it to."""
    with scripted_server() as scripted:
        yield scripted


@pytest.fixture
def waits() -> Waits:
    """Time that passes by being waited for."""
    return Waits()


@pytest.fixture
def open_session(server: ScriptedServer, waits: Waits) -> Iterator[Open]:
    """Opens sessions with the scripted server that wait for nothing."""
    opened: list[SalesforceSession] = []

    def open_one(
        login: Login | None = None,
        *,
        pacing: Pacing | None = None,
        read_seconds: float = 10.0,
        quota_share: str | None = None,
    ) -> SalesforceSession:
        session = connect(
            server.url,
            login or AccessToken("token-of-a-test"),
            "67.0",
            timeouts=Timeouts(connect=2.0, read=read_seconds),
            pacing=pacing or waits.pacing(),
            quota_share=None if quota_share is None else Decimal(quota_share),
        )
        opened.append(session)
        return session

    yield open_one
    for session in opened:
        session.close()


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key as a connected app's certificate has one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = tmp_path_factory.mktemp("key") / "key.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file
