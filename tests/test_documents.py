"""Pages in `docs/` that follow from the code, or that speak of it."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
from jsonschema import Draft202012Validator

from coupon_pipeline.cli.documents import PAGES
from coupon_pipeline.cli.main import commands
from coupon_pipeline.domain.mapping import COUPON_FIELDS, parse_mapping
from coupon_pipeline.domain.mapping_schema import json_schema
from coupon_pipeline.domain.problems import CATALOGUE
from coupon_pipeline.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"
_COMMAND = re.compile(r"(?:^ {4}|`)(?:\.venv/bin/)?coupon-pipeline ([^`#\n]+)", re.MULTILINE)


def _commands() -> list[tuple[str, str]]:
    pages = [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]
    return [
        (page.name, found.strip())
        for page in pages
        for found in sorted(set(_COMMAND.findall(page.read_text(encoding="utf-8"))))
    ]


@pytest.mark.parametrize(("page", "command"), _commands())
def test_a_command_on_a_page_is_one_that_the_command_line_takes(
    page: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its options and arguments, as far as that shows without running it.

    A day, an id or a file that is not spelled out on the page is filled in.
    """
    del page
    monkeypatch.chdir(tmp_path)
    command = re.sub(r"\bDAY\b", "2026-11-02", re.sub(r"\{[a-z_]+\}", "801000000000001", command))
    name, *arguments = shlex.split(command.replace("...", "").replace("[", "").replace("]", ""))
    for each in arguments:
        if not each.startswith("-") and (each.endswith((".json", ".toml")) or each == "FILE"):
            (tmp_path / each).write_text("{}", encoding="utf-8")
    found = commands.get_command(click.Context(commands), name)
    assert found is not None, f"there is no command {name}"

    context = click.Context(found, info_name=name)
    given, left, _ = found.make_parser(context).parse_args(arguments)
    assert left == []
    for parameter in found.get_params(context):
        value = given.get(parameter.name)
        assert value is not None or not parameter.required, f"{parameter.name} is missing"
        if isinstance(value, str | list | tuple):
            parameter.type_cast_value(context, value)


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
