"""Numbers of a process of its own: what it took, and the most memory that it had.

A benchmark that makes records or serves the sandbox would count those in, so the part that is
measured runs in a fresh Python: `call("tests.benchmarks.growth:stages", ...)`.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias, cast

from tests.benchmarks.report import Number

Numbers: TypeAlias = dict[str, float]

ROOT = Path(__file__).parents[2]
_STATUS = Path("/proc/self/status")


def call(function: str, *arguments: str, python: str = sys.executable) -> Numbers:
    """The numbers that `module:name` gives in a process of its own, and that process's.

    `processor seconds` are of all threads: on a machine that others use too they say more than
    the seconds.
    """
    done = subprocess.run(
        [python, "-m", "tests.benchmarks.measuring", function, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return cast("Numbers", json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def measured(numbers: Numbers, name: str) -> Iterator[None]:
    """Add seconds, processor seconds and the block's own peak of memory under its name."""
    _forget_peak()
    began, used = time.monotonic(), processor_seconds()
    yield
    numbers[f"{name}: seconds"] = time.monotonic() - began
    numbers[f"{name}: processor seconds"] = processor_seconds() - used
    numbers[f"{name}: peak MiB"] = _peak()


def processor_seconds() -> float:
    """Of all threads of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def take_settings(environment: str) -> None:
    """Put settings, `NAME=value` a line, into this process's environment."""
    for line in environment.splitlines():
        name, _, value = line.partition("=")
        os.environ[name] = value


def per_second(numbers: Numbers, rows: int) -> Numbers:
    """The numbers of `all`, with how many rows there were and how many a second."""
    return {
        **numbers,
        "rows": rows,
        "rows a second": rows / numbers["all: seconds"],
        "rows a processor second": rows / numbers["all: processor seconds"],
    }


def told(
    what: str, numbers: Numbers, wanted: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Number]:
    """The numbers for a report, with what is aimed at, by name."""
    for name, number in numbers.items():
        yield Number(what, name, number, wanted.get(name, ""))


def _forget_peak() -> None:
    """Let the kernel begin anew to watch for the highest memory, where it can (Linux)."""
    if _STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak() -> float:
    """The highest resident memory since `_forget_peak`, else of the whole process, in MiB."""
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _main() -> None:
    module, _, name = sys.argv[1].partition(":")
    function = cast("Callable[..., Numbers]", getattr(import_module(module), name))
    print(json.dumps(function(*sys.argv[2:])))  # noqa: T201 - to the process that asked


if __name__ == "__main__":
    _main()
