"""Dagster's pages as an operator uses them, over the sandbox; takes the pictures of the README.

`make browser` runs it. Nothing outside this machine is asked.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.browser.chromium import Page, chromium, find_chromium

REPOSITORY = Path(__file__).parents[2]
PICTURES = REPOSITORY / "docs" / "images"
TABLES = (
    "activated_orders",
    "coupon_junctions",
    "coupon_mapping",
    "coupon_snapshots",
    "stripe_coupons",
    "coupon_attachments",
    "salesforce_records",
)
_DAYS = 90
"""As many as the sandbox's company has orders of: some are always blocked, whatever day it is."""

pytestmark = [
    pytest.mark.ui,
    pytest.mark.skipif(
        find_chromium() is None, reason="no Chromium is installed: apt-get install chromium"
    ),
]


@pytest.fixture
def dagster(tmp_path: Path) -> Iterator[str]:
    """Address of `dagster dev` over a sandbox of its own, with an empty history."""
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    programs = Path(sys.executable).parent
    first_day = datetime.now(UTC).date() - timedelta(days=_DAYS - 1)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SALESFORCE_", "STRIPE_", "COUPON_PIPELINE_", "DAGSTER_"))
    }
    sandbox = (str(programs / "coupon-pipeline"), "sandbox", "--")
    dev = (str(programs / "dagster"), "dev")
    with (tmp_path / "said.log").open("wb") as said:
        running = subprocess.Popen(
            [*sandbox, *dev, "--host", "127.0.0.1", "--port", str(port)],
            cwd=tmp_path,
            env={
                **kept,
                "DAGSTER_DISABLE_TELEMETRY": "1",
                "COUPON_PIPELINE_SYNC_START_DATE": first_day.isoformat(),
                "COUPON_PIPELINE_AUTOMATION": "",
            },
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()
            try:
                running.wait(timeout=60)
            finally:
                # what it left behind: its session is ours alone
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.pid, signal.SIGKILL)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A browser."""
    program = find_chromium()
    assert program is not None
    with chromium(program, tmp_path / "profile") as opened:
        yield opened


def test_an_operator_materialises_some_days_and_sees_the_checks_pass(
    dagster: str, page: Page
) -> None:
    """From the graph to what was granted, with no command and no error on any page."""
    page.size(1720, 900)
    page.open_when_served(f"{dagster}/asset-groups")
    page.wait_for("Materialize all")
    page.click("Hide navigation")
    for table in TABLES:
        page.wait_for(table)

    page.click("Materialize all…")
    page.wait_for("Partition selection")
    page.click("All")
    page.click("Launch backfill")
    page.wait_until_gone("Partition selection")
    page.open(f"{dagster}/assets/salesforce_records?view=events")
    page.wait_for("materialized in run")

    page.size(1720, 430)
    page.open(f"{dagster}/asset-groups")
    for table in TABLES:
        page.wait_for(table)
    page.settle()
    page.picture(PICTURES / "graph.png")

    page.size(1280, 560)
    page.open(f"{dagster}/assets/coupon_attachments?view=checks")
    page.wait_for("Passed")
    page.wait_until_gone("In Progress")
    assert "Failed" not in page.text()
    page.settle()
    page.picture(PICTURES / "checks.png")

    page.size(1720, 900)
    page.open(f"{dagster}/assets/coupon_attachments?view=events")
    page.wait_for("problems_to_mend")
    page.settle()
    page.picture(PICTURES / "run.png")

    # the last table on the page; short ones are shown at once, long ones on a click
    page.click("[Show Markdown]")
    page.wait_for("what to do")
    page.settle()
    page.picture(PICTURES / "problems.png", clip=(160, 96, 1400, 600))
    assert page.errors == []
