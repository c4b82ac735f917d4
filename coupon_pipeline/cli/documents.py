"""Writes the pages that follow from the code: `python -m coupon_pipeline.cli.documents docs`.

`problems.md` is the catalogue of problems, `mapping.schema.json` the schema of the mapping file,
`permissions.md` what user and key need, and the permission set a file that Salesforce deploys.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from coupon_pipeline.domain.mapping import parse_mapping
from coupon_pipeline.domain.mapping_check import fields_read
from coupon_pipeline.domain.mapping_schema import json_schema
from coupon_pipeline.domain.problems import CATALOGUE, Effect, ProblemKind
from coupon_pipeline.salesforce.names import Names
from coupon_pipeline.salesforce.needs import NEEDS
from coupon_pipeline.salesforce.permission_set import grants, permission_set_xml
from coupon_pipeline.settings import WRITE_BACKS
from coupon_pipeline.stripe_api.permissions import permissions_to_give

_EFFECTS = {
    Effect.BLOCKED: "not granted until it is put right",
    Effect.PENDING: "not granted yet; each run tries it again",
    Effect.WARNING: "granted, and somebody should look",
    Effect.REPORTED: "seen and told; nothing was done because of it",
    Effect.NOT_APPLICABLE: "there is nothing to grant",
    Effect.STOPPED: "the command ends before anything more is written; nothing is lost",
}
_AREAS = {
    "coupon": "The coupon: its terms, and its Stripe coupon",
    "metadata": "Metadata of the Stripe coupon",
    "currency": "Currencies",
    "association": "Associations",
    "order_coupon": "Order coupons",
    "target": "Subscriptions and schedules",
    "attachment": "Discounts that were granted",
    "salesforce": "Access to Salesforce",
    "stripe": "Access to Stripe",
    "mapping": "The mapping file",
    "plan": "Plans that were saved",
    "live": "Live money",
    "cap": "Caps of a run",
    "run": "Runs in Dagster, as alerts tell of them",
}
_WORDS = {
    "{coupon}": "the quote coupon",
    "{place}": "the order or order item",
    "{again}": "run `coupon-pipeline sync --order {order_id}`",
}
_HEAD = """# Problems

Everything that `sync`, `plan`, `problems` and `explain` report. A code is stable for ever; a remedy
says what to do and then which command to run. Words in braces are filled in. One problem concerns
one coupon of one order or order item; the others go on.

| effect | means |
|---|---|
"""


def problems_page() -> str:
    """The catalogue, an area at a time, in the order of the catalogue."""
    lines = [_HEAD + "\n".join(f"| {effect.value} | {_EFFECTS[effect]} |" for effect in Effect)]
    areas = dict.fromkeys(code.partition(".")[0] for code in CATALOGUE)
    for area in sorted(areas, key=list(_AREAS).index):
        lines.append(f"\n## {_AREAS[area]}\n")
        kinds = (kind for kind in CATALOGUE.values() if kind.code.partition(".")[0] == area)
        lines.append("\n\n".join(_entry(kind) for kind in kinds))
    return "\n".join(lines) + "\n"


def _entry(kind: ProblemKind) -> str:
    remedy = _plain(kind.remedy)
    return (
        f"**`{kind.code}`** ({kind.effect.value}): {_plain(kind.sentence)}\n*What to do:* {remedy}"
    )


def _plain(template: str) -> str:
    """A template as people read it, with words for what every problem knows."""
    text = template.replace("!r}", "}")
    for name, words in _WORDS.items():
        text = text.replace(name, words)
    return text[:1].upper() + text[1:]


def schema_text() -> str:
    """The JSON Schema of the mapping file."""
    return json.dumps(json_schema(), indent=2) + "\n"


_PERMISSIONS_HEAD = """# Permissions

What the pipeline needs, and nothing else. `coupon-pipeline doctor` compares it with what the user
and the key have, without writing anything.

## The Stripe key

In the Stripe dashboard, Developers, API keys, make a restricted key and tick these; leave
everything else at None. [To write includes to read](https://docs.stripe.com/keys/restricted-api-keys).

| resource | permission | in refusals | what for |
|---|---|---|---|
"""
_PERMISSIONS_REST = """
A key that may not ask which account it belongs to is used all the same; the ledger is then tied to
the mode alone.

## The Salesforce user

`coupon-pipeline doctor --permission-set FILE` writes a permission set for your org, settings and
mapping. [Coupon_Pipeline.permissionset-meta.xml](Coupon_Pipeline.permissionset-meta.xml) is the one
for the namespace `stripeConnector`, the one-to-one mapping and all write-back. Put it into a
Salesforce project under `permissionsets/`, deploy it and assign it to the user:

    sf project deploy start --metadata PermissionSet:Coupon_Pipeline
    sf org assign permset --name Coupon_Pipeline

The user needs a licence of Salesforce CPQ as well. The managed package's own permission set
"Stripe Connector Coupon User" opens most of this, and not the editing of order coupons.
Required fields, and those that tie a detail to its master, are open to everybody who may read the
object and cannot be named in a permission set.

| object | read | create | edit | what for |
|---|---|---|---|---|
"""


def permissions_page() -> str:
    """What user and key need."""
    keys = "\n".join(
        f"| {need.permission.resource} | {need.permission.access} | `{need.permission.name}` | "
        f"{need.why}{'; can be left out' if need.optional else ''} |"
        for need in permissions_to_give()
    )
    objects = "\n".join(
        f"| `{need.name}` | {_fields((*need.required, *need.read))} "
        f"| {_fields(need.creates(WRITE_BACKS))} | {_fields(need.edits(WRITE_BACKS))} "
        f"| {need.why} |"
        for need in NEEDS
    )
    return f"{_PERMISSIONS_HEAD}{keys}\n{_PERMISSIONS_REST}{objects}\n"


def _fields(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))


def permission_set_text() -> str:
    """The permission set for the package's namespace, the usual mapping and all write-back."""
    mapped = fields_read(parse_mapping(None), {})
    return permission_set_xml(grants(Names("stripeConnector"), WRITE_BACKS, mapped, {}))


PAGES: Mapping[str, Callable[[], str]] = {
    "problems.md": problems_page,
    "mapping.schema.json": schema_text,
    "permissions.md": permissions_page,
    "Coupon_Pipeline.permissionset-meta.xml": permission_set_text,
}


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, exists=True, path_type=Path))
def main(folder: Path) -> None:
    """Write all pages into FOLDER."""
    for name, make in PAGES.items():
        (folder / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
