"""Sensors read the history of runs, so each of these tests has a Dagster instance of its own."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.automation.operating import Operator
from tests.world import World


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance without any history, on disk: a schedule opens it by itself."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


@pytest.fixture
def operator(world: World, instance: dg.DagsterInstance) -> Operator:
    """Ticks sensors and schedules, and runs what they ask for."""
    return Operator(world, instance)
