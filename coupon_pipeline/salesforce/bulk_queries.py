"""Large reads as query jobs of Bulk API 2.0: the rows of many pages in a few requests.

A job costs a request that makes it, some that ask whether it is done, and one for each part of its
result; a query costs one for each 2,000 rows
(https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/queries.htm).
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, islice
from typing import TypeAlias
from urllib.parse import quote

from coupon_pipeline.salesforce.errors import (
    SalesforceError,
    SalesforceRefused,
    SalesforceUnavailable,
)
from coupon_pipeline.salesforce.json_values import Json, as_object
from coupon_pipeline.salesforce.rows import Row
from coupon_pipeline.salesforce.session import SalesforceSession
from coupon_pipeline.salesforce.statements import ROWS_A_PAGE, Statement

LEAST_ROWS = 25 * ROWS_A_PAGE
"""Of fewer rows the pages cost no more requests than a job that takes ten minutes."""
ROWS_A_PART = 50_000
FIRST_WAIT, LONGEST_WAIT, PATIENCE = 1.0, 30.0, 600.0
"""Seconds between two questions whether a job is done, and after which nobody asks any more."""

_Read: TypeAlias = Callable[[str], Json]
_READERS: Mapping[str, _Read] = {
    "boolean": lambda text: text == "true",
    "currency": Decimal,
    "datetime": lambda text: text.removesuffix("Z") + "+0000" if text.endswith("Z") else text,
    "double": Decimal,
    "int": int,
    "long": int,
    "percent": Decimal,
}
"""A text as a query's answer would have the value, by Salesforce's type of the field."""


@dataclass(frozen=True, slots=True)
class QueryJob:
    """A job of this statement; `began` by the session's clock."""

    job_id: str
    statement: Statement
    began: float


def is_large(statement: Statement, first_page: Json | SalesforceError) -> bool:
    """Whether a job costs fewer requests than the pages that the first one announces."""
    if isinstance(first_page, SalesforceError):
        return False
    total = as_object(first_page).get("totalSize")
    return statement.kinds is not None and isinstance(total, int) and total > LEAST_ROWS


def start_job(session: SalesforceSession, statement: Statement, what: str) -> QueryJob | None:
    """A new job; `None` where the org lets this user have none, who then reads pages."""
    operation = "queryAll" if statement.include_deleted else "query"
    body: Json = {"operation": operation, "query": statement.soql}
    try:
        answer = as_object(session.call("POST", "jobs/query", body, what=what))
    except SalesforceRefused:
        return None
    return QueryJob(str(answer.get("id")), statement, session.pacing.monotonic())


def is_done(session: SalesforceSession, job: QueryJob, what: str) -> bool:
    """Wait until the job is done; false when it failed or takes too long to be waited for."""
    pacing = session.pacing
    wait = FIRST_WAIT
    due = job.began + wait
    while due - job.began <= PATIENCE:
        pacing.pause(max(0.0, due - pacing.monotonic()))
        state = as_object(session.call("GET", _path(job), what=what)).get("state")
        if state == "JobComplete":
            return True
        if state in {"Failed", "Aborted"}:
            return False
        wait = min(2 * wait, LONGEST_WAIT)
        due += wait
    return False


def rows_of(session: SalesforceSession, job: QueryJob, what: str) -> Iterator[tuple[Row, ...]]:
    """The rows of a job that is done, a page's worth at a time.

    Whether each part of a result begins with the names of its columns, or only the first one, is
    told by the part.

    Raises:
        SalesforceUnavailable: a part came without all its rows.
    """
    locator, header = "", list[str]()
    while True:
        following = f"&locator={quote(locator, safe='')}" if locator else ""
        part = session.fetch(f"{_path(job)}/results?maxRecords={ROWS_A_PART}{following}", what=what)
        lines: Iterator[list[str]] = csv.reader(io.StringIO(part.text, newline=""))
        begin = next(lines, header)
        header = header or begin
        if begin != header:
            lines = chain([begin], lines)
        row_of = _reader(header, job.statement.kinds or {})
        count = 0
        while rows := tuple(map(row_of, islice(lines, ROWS_A_PAGE))):
            count += len(rows)
            yield rows
        if str(count) != part.headers.get("Sforce-NumberOfRecords", str(count)):
            raise _not_whole()
        locator = part.headers.get("Sforce-Locator", "null")
        if locator == "null":
            return


def _path(job: QueryJob) -> str:
    return f"jobs/query/{quote(job.job_id, safe='')}"


def _reader(header: Sequence[str], kinds: Mapping[str, str]) -> Callable[[Sequence[str]], Row]:
    """What makes a row of a line: columns of parents are nested, as in a query's answer."""
    columns = [(path.split("."), _READERS.get(kinds.get(path, ""), str)) for path in header]

    def row_of(line: Sequence[str]) -> Row:
        if len(line) != len(columns):
            raise _not_whole()
        fields: dict[str, Json] = {}
        for ((*parents, name), read), text in zip(columns, line, strict=True):
            held = fields
            for parent in parents:
                held = as_object(held.setdefault(parent, {}))
            held[name] = read(text) if text else None
        return Row(fields)

    return row_of


def _not_whole() -> SalesforceUnavailable:
    return SalesforceUnavailable(
        "The result of a query job came without all its rows.", "Run again."
    )
