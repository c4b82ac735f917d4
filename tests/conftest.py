"""One shared Dagster instance, and a fresh world for each test."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import hypothesis
import pytest

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.serving import Sandbox
from tests.world import World

# A machine that runs the suite in parallel is no place for deadlines.
hypothesis.settings.register_profile("loaded", deadline=None)
hypothesis.settings.load_profile("loaded")

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


@pytest.fixture(scope="session")
def instance() -> Iterator[dg.DagsterInstance]:
    """Runs are kept in memory only."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def world(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """An org and an account with nothing in them, at 2026-11-02 09:00 UTC."""
    with Sandbox(company=False, clock=Clock(NOW, frozen=True)) as sandbox:
        yield World(sandbox, tmp_path, instance, monkeypatch)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Salesforce and Stripe without a company; the clock stands at 2026-11-02 09:00 UTC."""
    with Sandbox(company=False, clock=Clock(NOW, frozen=True)) as served:
        yield served


@pytest.fixture
def company_sandbox() -> Iterator[Sandbox]:
    """Salesforce and Stripe with a company of 200 activated orders; the clock stands still."""
    with Sandbox(orders=200, clock=Clock(NOW, frozen=True)) as served:
        yield served
