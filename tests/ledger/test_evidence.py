"""The chain of evidence: whatever is done to it afterwards shows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.ledger import Ledger
from coupon_pipeline.ledger.evidence import (
    COLUMNS,
    Entry,
    Head,
    actor,
    chain_faults,
    chained,
    read_entries,
    read_head,
)
from coupon_pipeline.ledger.rows import Cell
from coupon_pipeline.ledger.writes import (
    WriteIntent,
    WriteOutcome,
    record_intents,
    record_outcomes,
)

AT = datetime(2026, 11, 2, 12, 0, 0, 123456, tzinfo=UTC)

texts = st.text(alphabet="aé\n,'\"", max_size=3)


def _intent(number: int, body: str) -> tuple[Cell, ...]:
    written = ("stripe", "coupon.create", "sf-1", 0, None, body)
    return ("intent", f"i{number}", "run", None, "me@here", AT, *written, None, None, None)


def _outcome(number: int, detail: str) -> tuple[Cell, ...]:
    told = ("done", "req_1", detail)
    return ("outcome", f"i{number}", "run", None, "me@here", AT, *[None] * 6, *told)


@st.composite
def chains(draw: st.DrawFn) -> list[Entry]:
    rows: list[tuple[Cell, ...]] = []
    for number in range(draw(st.integers(1, 5))):
        rows.append(_intent(number, draw(texts)))
        if draw(st.booleans()):
            rows.append(_outcome(number, draw(texts)))
    return list(chained(rows))


def _head(chain: list[Entry]) -> Head:
    return Head(len(chain), chain[-1].hash)


@given(chains())
def test_a_chain_that_nobody_touched_has_no_fault(chain: list[Entry]) -> None:
    assert chain_faults(chain, _head(chain)) == []


@given(chains(), st.data())
def test_a_changed_cell_shows(chain: list[Entry], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(chain) - 1))
    cell = data.draw(st.integers(0, len(COLUMNS) - 1))
    cells = list(chain[place].cells)
    cells[cell] = None if cells[cell] is not None else "x"
    changed = [*chain]
    changed[place] = replace(chain[place], cells=tuple(cells))

    assert chain_faults(changed, _head(chain)) != []


@given(chains(), st.data())
def test_a_changed_cell_with_a_hash_to_match_shows_in_the_next_entry_or_the_head(
    chain: list[Entry], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(chain) - 1))
    cells = (*chain[place].cells[:-1], "forged")
    before = Head(place, chain[place - 1].hash) if place else Head()
    changed = [*chain]
    changed[place] = next(chained([cells], before))

    assert chain_faults(changed, _head(chain)) != []


@given(chains(), st.data())
def test_a_missing_entry_shows_the_last_one_too(chain: list[Entry], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(chain) - 1))

    assert chain_faults(chain[:place] + chain[place + 1 :], _head(chain)) != []


@given(chains(), st.data())
def test_an_entry_put_in_shows(chain: list[Entry], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(chain)))
    before = Head(place, chain[place - 1].hash) if place else Head()
    forged = next(chained([_intent(99, "forged")], before))

    assert chain_faults([*chain[:place], forged, *chain[place:]], _head(chain)) != []


@given(chains(), st.data())
def test_two_entries_in_another_order_show(chain: list[Entry], data: st.DataObject) -> None:
    if len(chain) == 1:
        chain = list(chained([_intent(0, ""), _outcome(0, "")]))
    first = data.draw(st.integers(0, len(chain) - 2))
    second = data.draw(st.integers(first + 1, len(chain) - 1))
    changed = [*chain]
    changed[first] = replace(chain[second], number=chain[first].number)
    changed[second] = replace(chain[first], number=chain[second].number)

    assert chain_faults(changed, _head(chain)) != []


@given(chains(), chains())
def test_a_new_chain_in_place_of_the_old_does_not_hold_a_hash_noted_before(
    old: list[Entry], new: list[Entry]
) -> None:
    """Nobody can make a chain that ends elsewhere and holds the old end."""
    forged = [replace(entry, cells=(*entry.cells[:-1], "forged")) for entry in new]
    again = list(chained([entry.cells for entry in forged]))

    assert chain_faults(again, _head(again)) == []
    assert old[-1].hash not in {entry.hash for entry in again}


def test_what_is_stored_is_what_was_hashed(tmp_path: Path) -> None:
    """Times, nulls and numbers come back from the file in the form in which they were hashed."""
    ledger = Ledger(tmp_path / "ledger.duckdb")
    intent = WriteIntent("a", "stripe", "coupon.create", "one", 3, '{"é": 1}', "run", AT, "{}", "p")
    with ledger.transaction() as tx:
        record_intents(tx, [intent])
    with ledger.transaction() as tx:
        record_outcomes(tx, [WriteOutcome("a", "done", None, "", AT.replace(microsecond=0), "run")])

    with ledger.reading() as tx:
        entries, head = read_entries(tx), read_head(tx)

    assert chain_faults(entries, head) == []
    assert [entry.cell("kind") for entry in entries] == ["intent", "outcome"]
    assert entries[0].cell("actor") == actor()
    assert (entries[0].cell("before"), entries[0].cell("plan_id")) == ("{}", "p")


def test_a_clock_that_was_put_back_does_not_reorder_the_evidence(tmp_path: Path) -> None:
    """Entries stand in the order in which they were committed, whatever time it was said to be."""
    ledger = Ledger(tmp_path / "ledger.duckdb")
    for number, at in enumerate([AT, AT - timedelta(days=400), AT + timedelta(days=400)]):
        intent = WriteIntent(f"i{number}", "stripe", "coupon.create", "one", 0, "{}", "run", at)
        with ledger.transaction() as tx:
            record_intents(tx, [intent])

    with ledger.reading() as tx:
        entries, head = read_entries(tx), read_head(tx)

    assert [entry.cell("intent_id") for entry in entries] == ["i0", "i1", "i2"]
    assert chain_faults(entries, head) == []


def test_an_outcome_is_told_once(tmp_path: Path) -> None:
    """The first word stands: a later run that finds out the same adds nothing."""
    ledger = Ledger(tmp_path / "ledger.duckdb")
    with ledger.transaction() as tx:
        record_intents(tx, [WriteIntent("a", "stripe", "coupon.create", "one", 0, "{}", "run", AT)])
        record_outcomes(tx, [WriteOutcome("a", "done", "req_1", "", AT, "run")])
        record_outcomes(tx, [WriteOutcome("a", "settled", None, "", AT, "later run")])

        outcomes = [e.cell("outcome") for e in read_entries(tx) if e.cell("kind") == "outcome"]
        assert outcomes == ["done"]
