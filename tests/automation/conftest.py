"""Sensors read the history of runs, so each of these tests has a Dagster instance of its own."""

from collections.abc import Iterator

import dagster as dg
import pytest

from tests.automation.operating import Operator
from tests.world import World


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance without any history."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def operator(world: World, instance: dg.DagsterInstance) -> Operator:
    """Ticks sensors and schedules, and runs what they ask for."""
    return Operator(world, instance)
