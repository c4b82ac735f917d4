"""`coupon-pipeline problems`: what needs attention, and what to do about it."""

import json

import click

from coupon_pipeline.assets.resources import open_ledger
from coupon_pipeline.cli.main import DONE, SOME_BLOCKED
from coupon_pipeline.cli.showing import show_problems
from coupon_pipeline.cli.terminal import Terminal
from coupon_pipeline.ledger.problems import read_open_problems
from coupon_pipeline.settings import load_settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def problems(*, as_json: bool) -> int:
    """List the records that are blocked or waiting, with what to do."""
    ledger = open_ledger(load_settings())
    with ledger.reading() as tx:
        found = tuple(read_open_problems(tx))
    if as_json:
        click.echo(json.dumps({"problems": [problem.as_json() for problem in found]}))
    elif found:
        show_problems(Terminal(), found, most=None)
    else:
        click.echo("Nothing needs attention.")
    return SOME_BLOCKED if any(p.effect == "blocked" for p in found) else DONE
