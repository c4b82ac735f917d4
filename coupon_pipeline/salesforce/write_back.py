"""Writes to Salesforce: only what the pipeline may write, 200 records a request, each row answered.

A record collection takes 200 records and, with `allOrNone` off, accepts or refuses each by itself
(https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from coupon_pipeline.domain.ids import normalise_id
from coupon_pipeline.domain.records import Scalar
from coupon_pipeline.salesforce.errors import (
    COUPON_PERMISSION_SET,
    SalesforceError,
    SalesforceRefused,
    SalesforceUnavailable,
    WriteNotAllowed,
    refusal_of,
)
from coupon_pipeline.salesforce.json_values import Json, as_list, as_object
from coupon_pipeline.salesforce.names import COMPOUND_ID, Names
from coupon_pipeline.salesforce.needs import MAY_CREATE, MAY_UPDATE, MAY_UPSERT
from coupon_pipeline.salesforce.session import SalesforceSession

ROWS_A_REQUEST = 200

Fields = Mapping[str, Scalar]


class RowOutcome(StrEnum):
    """What became of one row."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """Sent, and no answer came: it may or may not have been written."""
    NOT_SENT = "not_sent"


@dataclass(frozen=True, slots=True)
class RowResult:
    """The result of one row, in the order in which the rows were given.

    `code` is ours (`salesforce.permission`, `salesforce.row_locked`, `salesforce.row_refused`,
    or that of the error that kept the whole request from being answered) and empty when done;
    `error_code` is Salesforce's own.
    """

    outcome: RowOutcome
    record_id: str | None
    code: str = ""
    error_code: str = ""
    message: str = ""
    fix: str = ""
    permission: str = ""
    """What the user would need, where a permission is missing: fields or object, as the API
    names them."""

    @property
    def success(self) -> bool:
        """Whether the row was written."""
        return self.outcome is RowOutcome.DONE


@dataclass(frozen=True, slots=True)
class _Write:
    """How rows of one kind are sent."""

    method: str
    path: str
    object_name: str
    repeatable: bool


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes to one org.

    Nothing is raised for what Salesforce does: a request that fails must not hide what the one
    before it achieved, so every row has its result.
    """

    session: SalesforceSession
    names: Names

    def update(self, object_name: str, rows: Sequence[tuple[str, Fields]]) -> tuple[RowResult, ...]:
        """Set fields of the records with these ids, each id once."""
        _check_allowed(MAY_UPDATE, object_name, (fields for _, fields in rows), "update")
        ids = [normalise_id(record_id) for record_id, _ in rows]
        _check_distinct(ids, "id")
        records = [
            self._record(object_name, fields) | {"id": record_id}
            for record_id, (_, fields) in zip(ids, rows, strict=True)
        ]
        write = _Write("PATCH", "composite/sobjects", object_name, repeatable=True)
        return self._send(write, records, ids)

    def create(self, object_name: str, rows: Sequence[Fields]) -> tuple[RowResult, ...]:
        """Create records. A request whose answer was lost is not sent again: `UNKNOWN` says so.

        Fields without a value are left out, also those that a single-currency org does not have.
        """
        _check_allowed(MAY_CREATE, object_name, rows, "create")
        records = [
            self._record(object_name, {k: v for k, v in fields.items() if v is not None})
            for fields in rows
        ]
        write = _Write("POST", "composite/sobjects", object_name, repeatable=False)
        return self._send(write, records, [None] * len(records))

    def upsert(
        self, object_name: str, rows: Sequence[Fields], key: str = COMPOUND_ID
    ) -> tuple[RowResult, ...]:
        """Create or update records by their external id; each key at most once."""
        _check_allowed(MAY_UPSERT, object_name, rows, "upsert")
        _check_distinct([fields.get(key) for fields in rows], key)
        records = [self._record(object_name, fields) for fields in rows]
        path = f"composite/sobjects/{self.names.qualify(object_name)}/{self.names.qualify(key)}"
        write = _Write("PATCH", path, object_name, repeatable=True)
        return self._send(write, records, [None] * len(records))

    def _record(self, object_name: str, fields: Fields) -> dict[str, Json]:
        attributes: dict[str, Json] = {"type": self.names.qualify(object_name)}
        values: dict[str, Json] = {self.names.qualify(k): v for k, v in fields.items()}
        return {"attributes": attributes, **values}

    def _send(
        self, write: _Write, records: Sequence[dict[str, Json]], ids: Sequence[str | None]
    ) -> tuple[RowResult, ...]:
        results: list[RowResult] = [RowResult(RowOutcome.NOT_SENT, record_id) for record_id in ids]
        for start in range(0, len(records), ROWS_A_REQUEST):
            numbers = range(start, min(start + ROWS_A_REQUEST, len(records)))
            try:
                self._send_part(write, records, list(numbers), results)
            except SalesforceError as error:
                _fail(results, numbers, _outcome_of(error), error)
                _fail(results, range(numbers.stop, len(records)), RowOutcome.NOT_SENT, error)
                break
        return tuple(results)

    def _send_part(
        self,
        write: _Write,
        records: Sequence[dict[str, Json]],
        numbers: list[int],
        results: list[RowResult],
    ) -> None:
        """Send rows, and those that somebody else held locked again, a bounded number of times."""
        attempts = self.session.pacing.begin()
        while True:
            rows: list[Json] = [records[number] for number in numbers]
            reply = self.session.call(
                write.method,
                write.path,
                {"allOrNone": False, "records": rows},
                what=f"Writing {len(rows)} {write.object_name}",
                repeatable=write.repeatable,
            )
            answers = as_list(reply)
            if len(answers) != len(numbers):
                raise SalesforceUnavailable(
                    f"{len(answers)} answers came for {len(numbers)} rows.", "Run again."
                )
            for number, answer in zip(numbers, answers, strict=True):
                results[number] = _result(
                    as_object(answer),
                    results[number].record_id,
                    self.names.qualify(write.object_name),
                )
            numbers = [n for n in numbers if results[n].code == "salesforce.row_locked"]
            if not numbers or not attempts.wait():
                return
            for number in numbers:
                results[number] = RowResult(RowOutcome.NOT_SENT, results[number].record_id)


def _result(answer: Mapping[str, Json], record_id: str | None, object_name: str) -> RowResult:
    answered_id = answer.get("id")
    if answer.get("success") is True:
        done_id = normalise_id(answered_id) if isinstance(answered_id, str) else record_id
        return RowResult(RowOutcome.DONE, done_id)
    refusal = refusal_of(answer.get("errors"))
    refused = RowResult(
        RowOutcome.REFUSED,
        record_id,
        code="salesforce.row_refused",
        error_code=refusal.error_code,
        message=refusal.message,
        fix="Correct the record in Salesforce, then run again.",
    )
    if refusal.is_locked:
        return replace(
            refused, code="salesforce.row_locked", fix="Run again when the record is free."
        )
    if refusal.is_permission:
        what = ", ".join(f"{object_name}.{field}" for field in refusal.fields) or object_name
        return replace(
            refused,
            code="salesforce.permission",
            fix=f"Give the user permission to write {what}; the permission set "
            f'"{COUPON_PERMISSION_SET}" alone does not allow every write.',
            permission=f"edit access to {what}",
        )
    return refused


def _outcome_of(error: SalesforceError) -> RowOutcome:
    """What a request that failed as a whole means for each row in it."""
    if isinstance(error, SalesforceRefused):
        return RowOutcome.REFUSED
    if isinstance(error, SalesforceUnavailable) and not error.not_done:
        return RowOutcome.UNKNOWN
    return RowOutcome.NOT_SENT


def _fail(
    results: list[RowResult], numbers: Iterable[int], outcome: RowOutcome, error: SalesforceError
) -> None:
    """Give the error to the rows that have no result of their own yet."""
    for number in numbers:
        if results[number].outcome is RowOutcome.NOT_SENT:
            results[number] = RowResult(
                outcome,
                results[number].record_id,
                code=error.code,
                message=error.message,
                fix=error.fix,
            )


def _check_allowed(
    allowed: Mapping[str, frozenset[str]], object_name: str, rows: Iterable[Fields], verb: str
) -> None:
    fields = allowed.get(object_name)
    for row in rows:
        forbidden = sorted(set(row) - (fields or frozenset()))
        if fields is None or forbidden:
            raise WriteNotAllowed(
                f"This pipeline does not {verb} {object_name} {', '.join(forbidden)}.",
                "This is a fault of the pipeline: report it.",
                object_name=object_name,
            )


def _check_distinct(keys: Sequence[Scalar], name: str) -> None:
    if not all(keys) or len(set(keys)) != len(keys):
        raise ValueError(f"Each row needs its own {name}.")
