"""The catalogue: every code once, with a sentence and a remedy that help."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import coupon_pipeline
from coupon_pipeline.domain.problems import (
    CATALOGUE,
    Blocked,
    Effect,
    Problem,
    ProblemKind,
    render,
)
from tests.domain.strategies import COUPON, ITEM, ORDER

PROMISED = """
coupon.no_discount coupon.amount_and_percent coupon.percent_out_of_range coupon.percent_precision
coupon.amount_not_positive coupon.amount_precision coupon.duration_invalid coupon.months_missing
coupon.redemptions_invalid coupon.name_too_long coupon.record_missing coupon.terms_uncertain
coupon.deleted_in_stripe coupon.expired coupon.exhausted coupon.id_conflict currency.missing
currency.unsupported currency.mismatch association.late target.none_yet target.not_subscription
target.not_found target.ended target.item_not_found target.too_many_discounts
salesforce.permission stripe.permission metadata.too_many_keys metadata.key_invalid
metadata.value_too_long
"""
"""Codes that people filter by already; they never change."""

kinds = pytest.mark.parametrize("kind", CATALOGUE.values(), ids=lambda kind: kind.code)


def test_every_promised_code_is_there() -> None:
    """A code is stable for ever: people filter, count and document by it."""
    assert set(PROMISED.split()) <= CATALOGUE.keys()


@kinds
def test_a_code_is_an_area_and_a_reason(kind: ProblemKind) -> None:
    """So that a filter can take a whole area."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*", kind.code)


@kinds
def test_an_entry_is_made_of_sentences(kind: ProblemKind) -> None:
    """They are shown to salespeople as they are."""
    for text in (kind.sentence, kind.remedy):
        assert text.endswith((".", "}"))
        assert "  " not in text


def test_a_problem_names_its_record_and_what_to_run() -> None:
    """The remedy ends in a command that can be pasted."""
    problem = Problem(
        "coupon.percent_out_of_range",
        {"percent": "120"},
        order_id=ORDER,
        order_item_id=ITEM,
        quote_coupon_id=COUPON,
    )

    assert problem.message == (
        f"Quote coupon {COUPON} gives 120 percent off; it must be above 0 and at most 100."
    )
    assert f"`coupon-pipeline sync --order {ORDER}`" in problem.fix


def test_a_problem_of_an_item_says_which_item() -> None:
    """An order may have hundreds."""
    problem = Problem("coupon.record_missing", order_id=ORDER, order_item_id=ITEM)

    assert f"order item {ITEM} of order {ORDER}" in problem.message
    assert Problem("target.none_yet", order_id=ORDER).message.startswith(f"Order {ORDER} ")


def test_a_detail_that_nobody_gave_does_not_hide_the_problem() -> None:
    """An error within the telling of an error would stop a whole run."""
    message, fix = render("coupon.exhausted", {})

    assert "(unknown coupon id)" in message
    assert fix


def test_braces_in_a_detail_are_only_text() -> None:
    """A coupon's name is whatever somebody typed."""
    problem = Problem("coupon.name_too_long", {"name": "{0} {x}", "length": "41", "limit": "40"})

    assert "{0} {x}" in problem.message


def test_a_blocked_decision_blocks_whatever_the_catalogue_says() -> None:
    """Uncertain terms are a warning unless policy holds them back."""
    uncertain = Blocked("coupon.terms_uncertain").problem(order_id=ORDER)
    certain = Blocked("coupon.no_discount").problem(order_id=ORDER, quote_coupon_id=COUPON)

    assert CATALOGUE["coupon.terms_uncertain"].effect is Effect.WARNING
    assert uncertain.effect is Effect.BLOCKED
    assert certain.effect is Effect.BLOCKED
    assert certain.effect_override is None
    assert (certain.order_id, certain.quote_coupon_id) == (ORDER, COUPON)


def codes_in(source: str) -> Iterator[str]:
    """Codes that the text gives to a problem, a blocked decision or a mapping error."""
    makers = {"Problem", "Blocked", "MappingError", "MappingFault", "_BlockedError", "_tell"}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        first = node.args[0]
        if name in makers and isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value


def test_every_code_that_the_package_gives_is_in_the_catalogue() -> None:
    """A code without sentence and remedy would fail when it is needed."""
    package = Path(coupon_pipeline.__file__).parent
    found = {
        code
        for path in package.rglob("*.py")
        if "sandbox" not in path.parts
        for code in codes_in(path.read_text(encoding="utf-8"))
    }

    assert "coupon.no_discount" in found
    assert found <= CATALOGUE.keys()
