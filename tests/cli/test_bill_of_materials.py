"""The bill of materials says what the lock installs, no more and no less."""

import json
import re
from importlib.metadata import requires
from pathlib import Path

import pytest

from coupon_pipeline.cli.bill_of_materials import LockError, document

LOCK = Path(__file__).parents[2] / "requirements.lock"


def components_of(lock: str) -> list[dict[str, object]]:
    """The components of its document."""
    listed = document(lock)["components"]
    assert isinstance(listed, list)
    return listed


def test_every_pin_of_the_lock_is_a_component_with_its_hashes() -> None:
    """And each has at least one, so that nothing else can be installed."""
    lock = LOCK.read_text(encoding="utf-8")

    listed = components_of(lock)

    assert len(listed) == len(re.findall(r"^[A-Za-z0-9]\S*==", lock, re.MULTILINE))
    hashes = [each["hashes"] for each in listed]
    assert all(isinstance(each, list) and each for each in hashes)
    assert json.dumps(hashes).count("SHA-256") == lock.count("--hash=sha256:")
    purls = [each["purl"] for each in listed]
    assert len(set(purls)) == len(purls)


def test_every_dependency_of_the_package_is_in_it() -> None:
    """The lock was made from the same list, and from no extra but that of developers."""
    names = {each["name"] for each in components_of(LOCK.read_text(encoding="utf-8"))}
    needed = [
        line
        for line in requires("coupon-pipeline") or []
        if "extra ==" not in line or re.search(r"extra == .dev.", line)
    ]

    wanted = {re.split(r"[<>=~\[; ]", line)[0] for line in needed}

    assert wanted - names == set()


def test_the_same_lock_gives_the_same_document() -> None:
    """So that two builds can be compared."""
    lock = LOCK.read_text(encoding="utf-8")

    assert document(lock) == document(lock)
    assert document(lock)["serialNumber"] != document(lock + "\n")["serialNumber"]


def test_a_pin_without_a_hash_is_refused() -> None:
    """It could be anything."""
    with pytest.raises(LockError, match="duckdb"):
        document("duckdb==2.0.0\n")
