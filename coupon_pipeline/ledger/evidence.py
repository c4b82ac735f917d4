"""The chain of evidence: every write before and after, each entry bound to the one before it.

An entry's hash covers its contents and the hash of its predecessor, so that a change, a deletion,
an insertion and a reordering all break the chain. Whoever can write the file can also make a new
chain: a hash noted elsewhere (`verify` prints it) shows that as well.
"""

import getpass
import hashlib
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import cast

from coupon_pipeline.ledger.rows import Cell, json_text, text_of, utc
from coupon_pipeline.ledger.transaction import Transaction

BEGINNING = "0" * 64
"""What the first entry is bound to."""

COLUMNS = (
    "kind",
    "intent_id",
    "run_id",
    "plan_id",
    "actor",
    "written_at",
    "system",
    "operation",
    "target_id",
    "epoch",
    "before",
    "body",
    "outcome",
    "request_id",
    "detail",
)
"""What an entry says, beside its place and its hash."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it is stored."""

    number: int
    cells: tuple[Cell, ...]
    """In the order of `COLUMNS`."""
    hash: str

    def cell(self, column: str) -> Cell:
        """What the entry says under a column."""
        return self.cells[COLUMNS.index(column)]


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: how many entries there are, and the hash of the last one."""

    entries: int = 0
    hash: str = BEGINNING


@dataclass(frozen=True, slots=True)
class ChainFault:
    """A place at which the chain is not what it was when it was written."""

    number: int
    what: str


@cache
def actor() -> str:
    """Who writes: the user and the machine of this process."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = f"uid {os.getuid()}"
    return f"{user}@{platform.node()}"


def entry_hash(before: str, number: int, cells: Sequence[Cell]) -> str:
    """The hash that binds an entry to the one before it."""
    said = [before, str(number), *(text_of(_plain(cell)) for cell in cells)]
    return hashlib.sha256(json_text(said).encode()).hexdigest()


def append_entries(tx: Transaction, rows: Iterable[Sequence[Cell]]) -> None:
    """Add entries to the end of the chain, each with its values in the order of `COLUMNS`."""
    head = read_head(tx)
    entries = list(chained(rows, head))
    if not entries:
        return
    tx.insert(
        "evidence",
        ("entry", *COLUMNS, "hash"),
        [(entry.number, *entry.cells, entry.hash) for entry in entries],
    )
    tx.stage("evidence_head", ["entries", "hash"], [(entries[-1].number, entries[-1].hash)])
    tx.run("move_evidence_head")


def chained(rows: Iterable[Sequence[Cell]], head: Head = Head()) -> Iterator[Entry]:
    """Rows as the entries that follow after `head`."""
    before = head.hash
    for number, cells in enumerate(rows, start=head.entries + 1):
        before = entry_hash(before, number, cells)
        yield Entry(number, tuple(cells), before)


def read_head(tx: Transaction) -> Head:
    """The end of the chain."""
    rows = tx.rows("evidence_head")
    return Head(cast("int", rows[0][0]), cast("str", rows[0][1])) if rows else Head()


def read_entries(tx: Transaction) -> list[Entry]:
    """Every entry, in order."""
    return [
        Entry(cast("int", row[0]), tuple(map(_plain, row[1:-1])), cast("str", row[-1]))
        for row in tx.rows("evidence")
    ]


def chain_faults(entries: Sequence[Entry], head: Head) -> list[ChainFault]:
    """Where the chain is broken; nothing if every entry is as it was written."""
    faults = []
    before, intents = BEGINNING, set[Cell]()
    for place, entry in enumerate(entries, start=1):
        if entry.number != place:
            faults.append(ChainFault(entry.number, f"stands where entry {place} should be"))
        if entry.hash != entry_hash(before, entry.number, entry.cells):
            faults.append(ChainFault(entry.number, "was changed, or what stood before it was"))
        if entry.cell("kind") == "intent":
            intents.add(entry.cell("intent_id"))
        elif entry.cell("intent_id") not in intents:
            faults.append(ChainFault(entry.number, "tells the end of a write that never began"))
        before = entry.hash
    if (len(entries), before) != (head.entries, head.hash):
        what = f"is the last one, and the ledger was last written with {head.entries} entries"
        faults.append(ChainFault(len(entries), what))
    return faults


def _plain(cell: Cell) -> Cell:
    """A moment in Python's own UTC, so that it has one text form before and after storing."""
    return utc(cell) if isinstance(cell, datetime) else cell
