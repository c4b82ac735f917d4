"""Writes the pages that follow from the code: `python -m coupon_pipeline.cli.documents docs`.

`problems.md` is the catalogue of problems, `mapping.schema.json` the schema of the mapping file.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from coupon_pipeline.domain.mapping_schema import json_schema
from coupon_pipeline.domain.problems import CATALOGUE, Effect, ProblemKind

_EFFECTS = {
    Effect.BLOCKED: "not granted until it is put right",
    Effect.PENDING: "not granted yet; each run tries it again",
    Effect.WARNING: "granted, and somebody should look",
    Effect.REPORTED: "seen and told; nothing was done because of it",
    Effect.NOT_APPLICABLE: "there is nothing to grant",
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


PAGES: Mapping[str, Callable[[], str]] = {
    "problems.md": problems_page,
    "mapping.schema.json": schema_text,
}


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, exists=True, path_type=Path))
def main(folder: Path) -> None:
    """Write all pages into FOLDER."""
    for name, make in PAGES.items():
        (folder / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
