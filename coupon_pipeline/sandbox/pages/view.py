"""What a page consists of: facts, tables and links. Both services' pages are built of these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import ceil
from typing import Final, Literal, TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from coupon_pipeline.sandbox.calls import ServiceName

ROWS_ON_A_PAGE: Final = 50
Tone: TypeAlias = Literal["plain", "good", "warn", "muted"]


@dataclass(frozen=True)
class Cell:
    """A value as it is shown, perhaps a link. `code` is for ids, `number` for amounts."""

    text: str
    href: str | None = None
    code: bool = False
    number: bool = False
    tone: Tone = "plain"


NOTHING: Final = Cell("-", tone="muted")


@dataclass(frozen=True)
class Facts:
    """Labelled values of one thing."""

    heading: str
    pairs: Sequence[tuple[str, Cell]]
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True)
class Paging:
    """Which page of a long table this is; numbers start at 1."""

    number: int
    pages: int
    path: str

    @classmethod
    def of(cls, rows: int, wanted: str | None, path: str) -> "Paging":
        """The wanted page of so many rows, or the nearest that there is."""
        pages = max(1, ceil(rows / ROWS_ON_A_PAGE))
        number = int(wanted) if wanted is not None and wanted.isdecimal() else 1
        return cls(min(max(number, 1), pages), pages, path)

    @property
    def rows(self) -> slice:
        """The part of the rows that is on this page."""
        return slice((self.number - 1) * ROWS_ON_A_PAGE, self.number * ROWS_ON_A_PAGE)


@dataclass(frozen=True)
class Table:
    """Rows under a caption; `empty` is said when there are none."""

    heading: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    empty: str = "None."
    paging: Paging | None = None
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Choice:
    """A field of a form with the values that it takes, or free text when there are none."""

    name: str
    label: str
    value: str = ""
    choices: Sequence[tuple[str, str]] = ()
    hint: str = ""
    input_type: str = "text"


@dataclass(frozen=True)
class Form:
    """Something that a person may do."""

    heading: str
    action: str
    button: str
    fields: Sequence[Choice] = ()
    note: str = ""
    hidden: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["form"] = "form"


Section: TypeAlias = Facts | Table | Form


@dataclass(frozen=True)
class Page:
    """One page of a service."""

    title: str
    kicker: str = ""
    lead: str = ""
    badge: Cell | None = None
    sections: Sequence[Section] = ()
    trail: Sequence[Cell] = ()
    status: int = 200


@dataclass(frozen=True)
class Frame:
    """What is around every page of a service."""

    service: ServiceName
    site: str
    menu: Sequence[Cell]
    now: str
    path: str


def render(page: Page, frame: Frame) -> Response:
    """The page as HTML."""
    html = _environment().get_template("page.html").render(page=page, frame=frame)
    return HTMLResponse(html, status_code=page.status)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
