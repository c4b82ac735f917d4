"""`coupon-pipeline problems`: what needs attention, where it is mended, and how."""

import csv
import io
from collections.abc import Mapping, Sequence

import click

from coupon_pipeline.assets.record_links import RecordLinks
from coupon_pipeline.assets.resources import open_ledger
from coupon_pipeline.cli.main import DONE, SOME_BLOCKED
from coupon_pipeline.cli.sandbox import local_sandbox
from coupon_pipeline.cli.showing import show_problems
from coupon_pipeline.cli.terminal import Terminal, say, say_document
from coupon_pipeline.domain.ids import is_id, normalise_id
from coupon_pipeline.domain.problems import Effect
from coupon_pipeline.domain.text_as_data import csv_text, printable
from coupon_pipeline.ledger import Transaction, inspection, source
from coupon_pipeline.ledger.problems import NotedProblem, read_open_problems
from coupon_pipeline.settings import load_settings


@click.command()
@click.option(
    "--code", "codes", multiple=True, metavar="CODE", help="Only this code or area; repeatable."
)
@click.option(
    "--effect",
    "effects",
    multiple=True,
    type=click.Choice([effect.value for effect in Effect]),
    help="Only what has this effect; repeatable.",
)
@click.option(
    "--id", "record_id", metavar="ID", help="Only of this order, item, coupon or subscription."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for a spreadsheet.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def problems(
    *,
    codes: tuple[str, ...],
    effects: tuple[str, ...],
    record_id: str | None,
    as_csv: bool,
    as_json: bool,
) -> int:
    """List the records that are blocked or waiting, with what to do."""
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other.")
    settings = load_settings()
    with local_sandbox(settings), open_ledger(settings).reading() as tx:
        found = [
            problem
            for problem in read_problems(tx, record_id)
            if (not codes or any(_is_of(problem, code) for code in codes))
            and (not effects or problem.effect in effects)
        ]
        source.select_orders_by_id(tx, {p.order_id for p in found if p.order_id})
        targets = inspection.read_targets(tx)
        links = RecordLinks.of(settings)
    if as_json or as_csv:
        rows = [{**p.as_json(), **_links(links, p, targets)} for p in found]
        if as_json:
            say_document({"problems": rows})
        else:
            say(_csv(rows))
    elif found:
        show_problems(Terminal(), found, most=None)
    else:
        say("Nothing needs attention.")
    return SOME_BLOCKED if any(p.effect == "blocked" for p in found) else DONE


def read_problems(tx: Transaction, record_id: str | None) -> list[NotedProblem]:
    """The open problems; with an id, those of the orders that it is about."""
    found = read_open_problems(tx)
    if record_id is None:
        return found
    wanted = normalise_id(record_id) if is_id(record_id) else record_id
    orders = set(source.orders_of_id(tx, wanted))
    return [problem for problem in found if problem.order_id in orders]


def _is_of(problem: NotedProblem, code: str) -> bool:
    return problem.code == code or problem.code.startswith(f"{code}.")


def _links(
    links: RecordLinks | None, problem: NotedProblem, targets: Mapping[str, str]
) -> dict[str, str | None]:
    """Where the record and the target are looked at."""
    record_id = problem.order_item_id or problem.order_id
    target_id = targets.get(problem.order_id or "")
    return {
        "salesforce_link": links.of_record(record_id) if links and record_id else None,
        "stripe_link": links.of_target(target_id) if links and target_id else None,
    }


def _csv(rows: Sequence[Mapping[str, str | None]]) -> str:
    """A header and a line for each problem; no cell is a formula or steers a terminal."""
    text = io.StringIO()
    columns = (*_COLUMNS, "salesforce_link", "stripe_link")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([csv_text(printable(row[name] or "")) for name in columns] for row in rows)
    return text.getvalue().removesuffix("\n")


_COLUMNS = (
    "code",
    "effect",
    "message",
    "fix",
    "order_id",
    "order_item_id",
    "quote_coupon_id",
    "first_seen_at",
)
