"""Pages in `docs/` that follow from the code, or that speak of it."""

import re
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from coupon_pipeline.cli.documents import PAGES
from coupon_pipeline.domain.mapping import COUPON_FIELDS, parse_mapping
from coupon_pipeline.domain.mapping_schema import json_schema
from coupon_pipeline.domain.problems import CATALOGUE
from coupon_pipeline.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    """A page that is behind misleads who needs it most.

    `python -m coupon_pipeline.cli.documents docs` writes them.
    """
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name]()


def test_the_mapping_page_names_every_field() -> None:
    """It is the reference."""
    text = (DOCS / "mapping.md").read_text(encoding="utf-8")

    assert [field for field in COUPON_FIELDS if f"`{field}`" not in text] == []


def _examples() -> list[str]:
    text = (DOCS / "mapping.md").read_text(encoding="utf-8")
    return re.findall(r"```toml\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("example", _examples())
def test_an_example_on_the_mapping_page_is_a_mapping(example: str) -> None:
    """People copy them; the editor's schema has to agree."""
    parse_mapping(example)

    Draft202012Validator(json_schema()).validate(tomllib.loads(example))


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_a_file_that_a_page_names_is_there(page: Path) -> None:
    """Whoever adds a field goes from one to the next."""
    named = re.findall(
        r"`((?:[a-z_]+/)+[a-z_.]+\.(?:py|sql|toml|json|md))`", page.read_text("utf-8")
    )
    roots = (DOCS.parent, DOCS.parent / "coupon_pipeline")

    assert [each for each in named if not any((root / each).is_file() for root in roots)] == []


@pytest.mark.parametrize(
    "page", [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda p: p.name
)
def test_a_link_between_pages_leads_somewhere(page: Path) -> None:
    """To a file, and to a heading of it."""
    links = re.findall(r"\]\(([^)#:]*)(#[^)]+)?\)", page.read_text("utf-8"))

    lost = []
    for file, anchor in links:
        there = page.parent / file if file else page
        headings = (
            re.findall(r"^#+ (.+)$", there.read_text("utf-8"), re.MULTILINE) if anchor else []
        )
        slugs = {f"#{re.sub(r'[^a-z0-9 -]', '', h.lower()).replace(' ', '-')}" for h in headings}
        if not there.exists() or (anchor and anchor not in slugs):
            lost.append(file + anchor)
    assert lost == []


@pytest.mark.parametrize("page", ["mapping.md", "rules.md"])
def test_a_page_names_only_codes_and_settings_that_exist(page: str) -> None:
    """A code that was renamed stays behind on a page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    areas = "|".join(sorted({code.partition(".")[0] for code in CATALOGUE}))

    codes = set(re.findall(rf"`((?:{areas})\.[a-z_]+)`", text))
    settings = set(re.findall(r"COUPON_PIPELINE_[A-Z_]+", text))

    assert codes - set(CATALOGUE) == set()
    assert {name for name in settings if name.lower() not in Settings.model_fields} == set()


def test_the_security_page_names_every_secret() -> None:
    """With its other two variables."""
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    secrets = [
        name
        for name, info in Settings.model_fields.items()
        if "SecretStr" in str(info.annotation) and not name.endswith("_command")
    ]

    for name in secrets:
        for variable in (name, f"{name}_file", f"{name}_command"):
            assert f"`{variable.upper()}`" in text
