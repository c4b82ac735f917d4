"""Query jobs of the Bulk APIs: a statement run at once, its rows kept until they are fetched."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.salesforce.errors import SalesforceError, not_found
from coupon_pipeline.sandbox.salesforce.ids import IdMinter, to_18
from coupon_pipeline.sandbox.salesforce.schema.spec import Scalar
from coupon_pipeline.sandbox.salesforce.soql.aggregate import is_aggregate
from coupon_pipeline.sandbox.salesforce.soql.evaluate import Evaluator, View
from coupon_pipeline.sandbox.salesforce.soql.names import Operand
from coupon_pipeline.sandbox.salesforce.soql.parser import parse
from coupon_pipeline.sandbox.salesforce.soql.syntax import Path
from coupon_pipeline.sandbox.salesforce.store import Row, Store
from coupon_pipeline.sandbox.salesforce.values import double_text, shortest_text, stamp
from coupon_pipeline.sandbox.switches import Switches

JOB_PREFIX = "750"
DELIMITERS: Mapping[str, str] = {
    "COMMA": ",",
    "TAB": "\t",
    "SEMICOLON": ";",
    "PIPE": "|",
    "CARET": "^",
    "BACKQUOTE": "`",
}
LINE_ENDINGS: Mapping[str, str] = {"LF": "\n", "CRLF": "\r\n"}


@dataclass(slots=True)
class QueryJob:
    """One job and the rows it found."""

    job_id: str
    query: str
    operation: str
    object_name: str
    delimiter: str
    ending: str
    user_id: str
    created: datetime
    columns: list[tuple[str, Operand]]
    rows: list[Row]
    switches: Switches
    state: str = "JobComplete"
    error: str = ""

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def describe(self, version: str) -> dict[str, object]:
        """What the job's address answers."""
        found: dict[str, object] = {
            "id": self.job_id,
            "operation": self.operation,
            "object": self.object_name,
            "createdById": self.user_id,
            "createdDate": stamp(self.created),
            "systemModstamp": stamp(self.created),
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(version),
            "jobType": "V2Query",
            "lineEnding": self.ending,
            "columnDelimiter": self.delimiter,
            "numberRecordsProcessed": self.size,
            "retries": 0,
            "totalProcessingTime": 0,
        }
        return found | ({"errorMessage": self.error} if self.error else {})

    def csv(self, start: int, end: int) -> str:
        """Rows as CSV under a header line; null is empty."""
        text = io.StringIO()
        writer = csv.writer(
            text,
            delimiter=DELIMITERS[self.delimiter],
            lineterminator=LINE_ENDINGS[self.ending],
            quoting=csv.QUOTE_ALL,
        )
        if start == 0 or self.switches.salesforce_csv_header == "every_part":
            writer.writerow([name for name, _ in self.columns])
        for row in self.rows[start:end]:
            writer.writerow([self._text(operand, row) for _, operand in self.columns])
        return text.getvalue()

    def _text(self, operand: Operand, row: Row) -> str:
        value: Scalar = operand.get(row)
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, Decimal):
            shortest = self.switches.salesforce_number_form == "shortest"
            return shortest_text(value) if shortest else double_text(value)
        if operand.kind == "datetime" and self.switches.salesforce_csv_datetimes == "utc":
            return str(value).replace("+0000", "Z")
        return str(value)


class QueryJobs:
    """All query jobs of the org."""

    def __init__(self, store: Store, clock: Clock, switches: Switches, minter: IdMinter) -> None:
        self._store = store
        self._clock = clock
        self._switches = switches
        self._minter = minter
        self._jobs: dict[str, QueryJob] = {}

    def create(
        self, text: str, view: View, operation: str, delimiter: str, ending: str, user_id: str
    ) -> QueryJob:
        """Runs the statement. Subqueries, aggregates and OFFSET are refused, as the API does."""
        query = parse(text)
        if (
            is_aggregate(query)
            or query.offset
            or not all(isinstance(item, Path) for item in query.select)
        ):
            raise SalesforceError(
                "API_ERROR", "Aggregate queries, subqueries and OFFSET are not supported"
            )
        evaluator = Evaluator(self._store, view, text)
        object_type = evaluator.names.object(query.source)
        columns = []
        for item in query.select:
            if isinstance(item, Path):
                path = evaluator.names.relative(object_type, item)
                operand = evaluator.names.operand(object_type, path)
                columns.append((evaluator.names.written(object_type, path), operand))
        job = QueryJob(
            job_id=self._minter.mint(JOB_PREFIX),
            query=text,
            operation=operation,
            object_name=object_type.name,
            delimiter=delimiter,
            ending=ending,
            user_id=user_id,
            created=self._clock.now(),
            columns=columns,
            rows=evaluator.rows(query),
            switches=self._switches,
        )
        self._jobs[job.job_id] = job
        return job

    def get(self, job_id: str) -> QueryJob:
        """The job with that id."""
        job = self._jobs.get(to_18(job_id) or "")
        if job is None:
            raise not_found()
        return job

    def all(self) -> list[QueryJob]:
        """Jobs in the order of their making."""
        return list(self._jobs.values())

    def remove(self, job_id: str) -> None:
        """Forget a job and its rows."""
        del self._jobs[self.get(job_id).job_id]
