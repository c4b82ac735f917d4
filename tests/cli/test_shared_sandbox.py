"""Commands that are run at once in one folder, without any account, share one local sandbox."""

import threading
from pathlib import Path

import pytest
import requests

from coupon_pipeline.cli.sandbox import local_sandbox
from coupon_pipeline.settings import SANDBOX_ADDRESSES, Settings, load_settings

PATIENCE_SECONDS = 60


class Command(threading.Thread):
    """A command that uses the sandbox until it is told to end."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.began, self.may_end = threading.Event(), threading.Event()

    def run(self) -> None:
        """Use it."""
        with local_sandbox(load_settings()):
            self.began.set()
            self.may_end.wait(PATIENCE_SECONDS)


def test_who_serves_the_sandbox_goes_on_until_the_others_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second command must not lose its accounts because the first was faster."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    first, second = Command(), Command()
    first.start()
    assert first.began.wait(PATIENCE_SECONDS)
    second.start()
    assert second.began.wait(PATIENCE_SECONDS)
    url = load_settings().stripe().api_base

    first.may_end.set()
    first.join(1)
    assert SANDBOX_ADDRESSES.is_file()
    assert requests.get(f"{url}/_sandbox/clock", timeout=10).ok
    assert first.is_alive()

    second.may_end.set()
    second.join(PATIENCE_SECONDS)
    first.join(PATIENCE_SECONDS)
    assert not first.is_alive()
    assert not SANDBOX_ADDRESSES.exists()
