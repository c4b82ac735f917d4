"""Dying at a chosen commit, so that crash safety can be shown and not only claimed.

Off unless `COUPON_PIPELINE_CRASH_AT` is set, as in `before_commit:3` or `after_commit:3`: the
process then kills itself, as by SIGKILL, right before or after its third commit to the ledger.
Tests that want the same without losing their own process watch the commits instead.
"""

import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

Moment: TypeAlias = Literal["before_commit", "after_commit"]
Watcher: TypeAlias = Callable[[Moment], None]

VARIABLE = "COUPON_PIPELINE_CRASH_AT"


class _Commits:
    """How many commits this process has come to, and who wants to know."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reached: Counter[Moment] = Counter()
        self.watcher: Watcher | None = None

    def reach(self, moment: Moment) -> None:
        with self._lock:
            self._reached[moment] += 1
            number = self._reached[moment]
        wanted = re.fullmatch(r"(before_commit|after_commit):(\d+)", os.environ.get(VARIABLE, ""))
        if wanted is not None and wanted[1] == moment and int(wanted[2]) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.watcher is not None:
            self.watcher(moment)


_commits = _Commits()


def reach(moment: Moment) -> None:
    """Tell that a commit is about to be made, or has just been made."""
    _commits.reach(moment)


@contextmanager
def watch(watcher: Watcher) -> Iterator[None]:
    """Call `watcher` at each moment of each commit of this process; what it raises goes on."""
    before, _commits.watcher = _commits.watcher, watcher
    try:
        yield
    finally:
        _commits.watcher = before
