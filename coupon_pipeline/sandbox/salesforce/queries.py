"""Query and queryAll: pages of JSON, locators for the pages that follow.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_query.htm
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from coupon_pipeline.sandbox.salesforce.errors import SalesforceError
from coupon_pipeline.sandbox.salesforce.ids import IdMinter
from coupon_pipeline.sandbox.salesforce.soql.aggregate import grouped, is_aggregate, is_bare_count
from coupon_pipeline.sandbox.salesforce.soql.evaluate import Evaluator, View
from coupon_pipeline.sandbox.salesforce.soql.parser import parse
from coupon_pipeline.sandbox.salesforce.soql.projection import Projection, Writing
from coupon_pipeline.sandbox.salesforce.soql.syntax import Query
from coupon_pipeline.sandbox.salesforce.store import Row, Store
from coupon_pipeline.sandbox.switches import Switches

LARGEST_PAGE = 2_000
SMALLEST_PAGE = 200
LOCATOR_PREFIX = "01g"
_MOST_CURSORS = 100


@dataclass(slots=True)
class _Cursor:
    """Rows that matched, and the pages of them that are already written."""

    rows: list[Row]
    projection: Projection
    version: str
    user_id: str
    size: int
    ready: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """A page's JSON, and how to write the following page before it is asked for."""

    json: str
    prepare_next: Callable[[], None] | None = None


class Queries:
    """Runs statements and keeps the cursors of those with more than one page."""

    def __init__(self, store: Store, switches: Switches, minter: IdMinter) -> None:
        self._store = store
        self._switches = switches
        self._minter = minter
        self._cursors: OrderedDict[str, _Cursor] = OrderedDict()

    def run(
        self, text: str, view: View, *, version: str, user_id: str, size: int = LARGEST_PAGE
    ) -> Page:
        """The first page of a statement's answer."""
        query = parse(text)
        evaluator = Evaluator(self._store, view, text)
        object_type = evaluator.names.object(query.source)
        if is_aggregate(query):
            if is_bare_count(query):
                total = len(evaluator.rows(query))
                return Page(f'{{"totalSize":{total},"done":true,"records":[]}}')
            rows = evaluator.rows(_unlimited(query))
            results = grouped(
                evaluator, query, object_type, rows, shortest_numbers=self._shortest_numbers
            )
            return Page(_aggregates(results, query.limit, query.offset or 0))
        projection = Projection(
            evaluator, query, object_type, self._writing(version, user_id, size)
        )
        cursor = _Cursor(evaluator.rows(query), projection, version, user_id, size)
        return self._page(self._kept(cursor), cursor, 0)

    def more(self, locator: str, user_id: str) -> Page:
        """The page that `nextRecordsUrl` named: a cursor and an offset."""
        cursor_id, _, offset = locator.partition("-")
        cursor = self._cursors.get(cursor_id)
        known = cursor is not None and cursor.user_id == user_id and offset.isdigit()
        if cursor is None or not known or int(offset) >= max(1, len(cursor.rows)):
            raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
        self._cursors.move_to_end(cursor_id)
        return self._page(cursor_id, cursor, int(offset))

    def expire_locators(self) -> None:
        """Forget all cursors, as happens when they are left alone for too long."""
        self._cursors.clear()

    @property
    def _shortest_numbers(self) -> bool:
        return self._switches.salesforce_number_form == "shortest"

    def _writing(self, version: str, user_id: str, size: int) -> Writing:
        def page_of_children(projection: Projection, rows: list[Row]) -> str:
            cursor = _Cursor(rows, projection, version, user_id, size)
            return self._page(self._kept(cursor), cursor, 0).json

        return Writing(version, self._shortest_numbers, page_of_children)

    def _kept(self, cursor: _Cursor) -> str:
        if len(cursor.rows) <= cursor.size:
            return ""
        cursor_id = self._minter.mint(LOCATOR_PREFIX)
        self._cursors[cursor_id] = cursor
        while len(self._cursors) > _MOST_CURSORS:
            self._cursors.popitem(last=False)
        return cursor_id

    def _page(self, cursor_id: str, cursor: _Cursor, offset: int) -> Page:
        text = cursor.ready.pop(offset, None) or self._written(cursor_id, cursor, offset)
        following = offset + cursor.size
        if following >= len(cursor.rows):
            return Page(text)

        def prepare_next() -> None:
            if following not in cursor.ready:
                cursor.ready[following] = self._written(cursor_id, cursor, following)

        return Page(text, prepare_next)

    def _written(self, cursor_id: str, cursor: _Cursor, offset: int) -> str:
        following = offset + cursor.size
        total = len(cursor.rows)
        head = f'{{"totalSize":{total},"done":true'
        if following < total:
            url = f"/services/data/v{cursor.version}/query/{cursor_id}-{following}"
            head = f'{{"totalSize":{total},"done":false,"nextRecordsUrl":"{url}"'
        records = cursor.projection.records(cursor.rows[offset:following])
        return f'{head},"records":{records}}}'


def _unlimited(query: Query) -> Query:
    return replace(query, limit=None, offset=None)


def _aggregates(results: list[str], limit: int | None, offset: int) -> str:
    results = results[offset:] if limit is None else results[offset : offset + limit]
    if len(results) > LARGEST_PAGE:
        raise SalesforceError(
            "EXCEEDED_ID_LIMIT",
            "aggregate query does not support queryMore(), use LIMIT to restrict the results to a "
            "single batch",
        )
    records = ",".join(results)
    return f'{{"totalSize":{len(results)},"done":true,"records":[{records}]}}'
