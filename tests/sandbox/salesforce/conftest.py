"""An org served over HTTP, and simple-salesforce talking to it."""

from collections.abc import Iterator

import pytest
from simple_salesforce.api import Salesforce

from coupon_pipeline.sandbox.listening import LoopThread
from tests.sandbox.salesforce.orgs import Orgs, Served


@pytest.fixture(scope="session")
def loop() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.stop()


@pytest.fixture
def orgs(loop: LoopThread) -> Iterator[Orgs]:
    made = Orgs(loop)
    yield made
    made.close()


@pytest.fixture
def org(orgs: Orgs) -> Served:
    return orgs.make()


@pytest.fixture
def sf(org: Served) -> Salesforce:
    return org.client()
