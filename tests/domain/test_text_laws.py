"""Text of others is data in every place that it is shown in."""

import csv
import io
import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.domain.text_as_data import csv_text, markdown_text, printable

TEXTS = st.text(max_size=40) | st.text(
    st.sampled_from("=+-@\t\r\n|`*_[]()<>&!#~\\\x1b\x9b\u202e a1")
)


@given(TEXTS)
def test_nothing_printable_steers_a_terminal(text: str) -> None:
    """No control character is left, and no invisible one that turns text around."""
    shown = printable(text)

    assert [c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}] == []
    assert printable(shown) == shown


@given(st.text(st.characters(categories=("L", "N", "P", "S")), max_size=40))
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    """Names keep their letters, in every language."""
    assert printable(text) == text
    assert re.sub(r"\\(.)", r"\1", markdown_text(text)) == text


@given(TEXTS)
def test_markdown_has_no_markup_of_others(text: str) -> None:
    """Each letter that could be markup stands behind a backslash, on one line."""
    shown = markdown_text(text)

    assert "\n" not in shown
    assert re.sub(r"\\.", "", shown).strip(r"\`*_{}[]<>()#+-!|~&") == re.sub(r"\\.", "", shown)


@given(TEXTS)
def test_no_cell_of_a_table_is_a_formula(text: str) -> None:
    """Also after a spreadsheet has taken the spaces away; and nothing of the text is lost."""
    file = io.StringIO()
    csv.writer(file).writerow([csv_text(text), "next"])
    (cells,) = csv.reader(io.StringIO(file.getvalue(), newline=""))

    assert not cells[0].lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert cells[0].removeprefix("'") == text.removeprefix("'") or cells[0] == f"'{text}"
    assert cells[1] == "next"
