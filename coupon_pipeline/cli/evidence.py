"""`coupon-pipeline evidence`: every write, before and after, as a file for others to read."""

import csv
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

import click

from coupon_pipeline.assets.resources import open_ledger
from coupon_pipeline.cli.main import DONE
from coupon_pipeline.cli.sandbox import local_sandbox
from coupon_pipeline.cli.terminal import say, say_document
from coupon_pipeline.domain.text_as_data import csv_text
from coupon_pipeline.ledger.evidence import COLUMNS, Entry, read_entries, read_head
from coupon_pipeline.ledger.rows import text_of
from coupon_pipeline.settings import load_settings

_NAMES = ("entry", *COLUMNS, "hash")


@click.command()
@click.option(
    "--out",
    "file",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A new file; its ending .parquet, .csv or .json says the format.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def evidence(*, file: Path, as_json: bool) -> int:
    """Export every write with who, when, run, request id, before and after."""
    if file.suffix not in {".parquet", ".csv", ".json"}:
        raise click.BadParameter("FILE ends in .parquet, .csv or .json.", param_hint="--out")
    settings = load_settings()
    with local_sandbox(settings), open_ledger(settings).reading() as tx:
        entries, head = read_entries(tx), read_head(tx)
        try:
            with _new(file) as opened:
                if file.suffix == ".csv":
                    _write_csv(entries, opened)
                elif file.suffix == ".json":
                    _write_json(entries, opened)
            if file.suffix == ".parquet":
                tx.write_parquet("evidence", file)
                file.chmod(0o600)
        except OSError as error:
            raise click.BadParameter(f"{error}.", param_hint="--out") from error
    if as_json:
        say_document({"file": str(file), "evidence": asdict(head)})
    else:
        say(f"{head.entries} entries are in {file}. The last one's hash is {head.hash}.")
    return DONE


def _new(file: Path) -> TextIO:
    """A file that is not there yet, for its owner only: it names customers' records."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="")


def _write_csv(entries: Iterable[Entry], file: TextIO) -> None:
    """Text that a spreadsheet would calculate with gets an apostrophe before it."""
    writer = csv.writer(file)
    writer.writerow(_NAMES)
    for entry in entries:
        writer.writerow([csv_text(cell) for cell in _texts(entry)])


def _write_json(entries: Iterable[Entry], file: TextIO) -> None:
    rows = [dict(zip(_NAMES, _texts(entry), strict=True)) for entry in entries]
    json.dump(rows, file, indent=1, ensure_ascii=False)
    file.write("\n")


def _texts(entry: Entry) -> list[str | None]:
    return [str(entry.number), *(text_of(cell) for cell in entry.cells), entry.hash]
