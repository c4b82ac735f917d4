"""Several queries in one request, then page after page, or a job where that takes fewer requests.

A composite request counts once against the org's quota and may carry 25 requests, five of them
queries, whose length is not bound by that of an address
(https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite_post.htm).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from coupon_pipeline.salesforce.bulk_queries import is_done, is_large, rows_of, start_job
from coupon_pipeline.salesforce.errors import (
    SalesforceError,
    SalesforceRefused,
    SalesforceUnavailable,
    error_of,
)
from coupon_pipeline.salesforce.json_values import Json, as_list, as_object
from coupon_pipeline.salesforce.rows import Row
from coupon_pipeline.salesforce.session import SalesforceSession
from coupon_pipeline.salesforce.statements import Statement

QUERIES_A_REQUEST = 5
REQUESTS_A_COMPOSITE = 25


@dataclass(frozen=True, slots=True)
class Get:
    """A read inside a composite request; `path` follows the API version's own."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of the statement with this name."""

    name: str
    rows: tuple[Row, ...]


def get_of(statement: Statement) -> Get:
    """The statement as a request."""
    resource = "queryAll" if statement.include_deleted else "query"
    return Get(statement.name, f"{resource}?q={quote(statement.soql, safe='')}")


def read_together(
    session: SalesforceSession, gets: Sequence[Get], what: str
) -> dict[str, Json | SalesforceError]:
    """Each request's answer, or the error that it got, from one call.

    Requests that Salesforce could not answer just now are sent again, without the others.
    """
    if len(gets) > REQUESTS_A_COMPOSITE:
        raise ValueError(f"A composite request carries {REQUESTS_A_COMPOSITE}, not {len(gets)}.")
    answers: dict[str, Json | SalesforceError] = {}
    missing = list(gets)
    attempts = session.pacing.begin()
    while True:
        answers |= _read_once(session, missing, what)
        missing = [get for get in missing if isinstance(answers[get.name], SalesforceUnavailable)]
        if not missing or not attempts.wait():
            return answers


def records_of(answer: Json) -> list[dict[str, Json]]:
    """The records on the first page of a query's answer."""
    return [as_object(each) for each in as_list(as_object(answer).get("records"))]


def read_pages(
    session: SalesforceSession, statements: Iterable[Statement], what: str
) -> Iterator[Page]:
    """The rows of all statements, page by page, so that no more than a few pages are held.

    Raises:
        SalesforceError: a statement was refused, or there was no usable answer.
    """
    waiting = list(statements)
    while waiting:
        now, waiting = waiting[:QUERIES_A_REQUEST], waiting[QUERIES_A_REQUEST:]
        answers = read_together(session, [get_of(statement) for statement in now], what)
        jobs = {
            statement.name: start_job(session, statement, what)
            for statement in now
            if is_large(statement, answers[statement.name])
        }
        for statement in now:
            answer, job = answers.pop(statement.name), jobs.get(statement.name)
            if isinstance(answer, SalesforceError):
                raise answer
            if job is not None and is_done(session, job, what):
                yield from (Page(statement.name, rows) for rows in rows_of(session, job, what))
            else:
                yield from pages_of(session, statement.name, answer, what)


def pages_of(session: SalesforceSession, name: str, first: Json, what: str) -> Iterator[Page]:
    """The first page, already read, and those after it."""
    body = as_object(first)
    while True:
        records = body.get("records")
        if not isinstance(records, list):
            raise SalesforceRefused(
                f"{what}: the answer to the query for {name} holds no records.",
                "Check that SALESFORCE_INSTANCE_URL is the address of an org.",
            )
        yield Page(name, tuple(Row(as_object(record)) for record in records))
        if body.get("done") is True:
            return
        body = as_object(session.call("GET", _next_path(session, body), what=what))


def _next_path(session: SalesforceSession, body: dict[str, Json]) -> str:
    following = body.get("nextRecordsUrl")
    if isinstance(following, str) and following.startswith(session.data_path):
        return following.removeprefix(session.data_path)
    raise SalesforceRefused(
        "Salesforce said that there are more rows, but not where.",
        "Check that SALESFORCE_API_VERSION is a version that the org supports.",
    )


def _read_once(
    session: SalesforceSession, gets: Sequence[Get], what: str
) -> dict[str, Json | SalesforceError]:
    requests: list[Json] = [
        {"method": "GET", "url": session.data_path + get.path, "referenceId": get.name}
        for get in gets
    ]
    body: Json = {"allOrNone": False, "compositeRequest": requests}
    reply = session.call("POST", "composite", body, what=what)
    answers: dict[str, Json | SalesforceError] = {
        get.name: SalesforceUnavailable(
            f"{what}: the answer for {get.name} is missing.", "Run again."
        )
        for get in gets
    }
    for entry in map(as_object, as_list(as_object(reply).get("compositeResponse"))):
        status, answer = entry.get("httpStatusCode"), entry.get("body")
        code = status if isinstance(status, int) else 0
        name = str(entry.get("referenceId"))
        is_read = 200 <= code < 300  # noqa: PLR2004 - the class of HTTP successes
        answers[name] = answer if is_read else error_of(code, answer, f"{what} ({name})")
    return answers
