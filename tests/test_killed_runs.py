"""What becomes of the places in pools that a run held which somebody killed."""

import logging
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
import pytest
from dagster._daemon.monitoring import concurrency
from dagster_shared.yaml_utils import load_run_config_yaml

if TYPE_CHECKING:
    from dagster._core.workspace.context import IWorkspaceProcessContext

REPOSITORY = Path(__file__).parents[1]
POOL, STEP = "stripe", "coupon_attachments"


@dg.job(name="sync")
def _job() -> None:
    """Whatever it does."""


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """As `dagster dev` in the clone has it."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(REPOSITORY / "dagster.yaml", tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


def test_a_killed_run_gives_its_place_in_a_pool_back(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool has one place, so that otherwise no run would ever begin again."""
    killed, next_run = (instance.create_run_for_job(_job) for _ in range(2))
    history = instance.event_log_storage
    history.initialize_concurrency_limit_to_default(POOL)
    assert history.claim_concurrency_slot(POOL, killed.run_id, STEP).is_claimed
    instance.report_run_failed(killed)
    assert not history.claim_concurrency_slot(POOL, next_run.run_id, STEP).is_claimed

    _look_after(instance, timedelta(minutes=1), monkeypatch)

    assert history.claim_concurrency_slot(POOL, next_run.run_id, STEP).is_claimed


def test_the_settings_for_postgres_and_celery_say_the_same() -> None:
    """They are copied from the page."""
    page = (REPOSITORY / "docs" / "scaling-out.md").read_text()
    block = page.partition("`dagster.yaml`:\n")[2].partition("\n`workspace.yaml`")[0]
    documented, own = (
        load_run_config_yaml(text)["run_monitoring"]
        for text in (block, (REPOSITORY / "dagster.yaml").read_text())
    )

    assert documented == own


def _look_after(
    instance: dg.DagsterInstance, time: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon looks so much later."""
    now = datetime.now().astimezone() + time
    monkeypatch.setattr(concurrency, "get_current_datetime", lambda: now)
    workspace = cast("IWorkspaceProcessContext[Any]", SimpleNamespace(instance=instance))
    for error in concurrency.execute_concurrency_slots_iteration(workspace, logging.getLogger()):
        assert error is None
