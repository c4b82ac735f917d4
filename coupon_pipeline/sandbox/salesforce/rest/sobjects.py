"""`sobjects/...`: describe, records, upsert by external id, what was deleted or updated.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_list.htm
"""

from collections.abc import Mapping, Sequence

from coupon_pipeline.sandbox.salesforce.describe import describe, global_describe, summary
from coupon_pipeline.sandbox.salesforce.errors import SalesforceError, deleted, not_found
from coupon_pipeline.sandbox.salesforce.ids import to_18
from coupon_pipeline.sandbox.salesforce.org import Caller
from coupon_pipeline.sandbox.salesforce.references import matching
from coupon_pipeline.sandbox.salesforce.rest.exchange import (
    Reply,
    Request,
    json_reply,
    no_content,
    wrong_method,
)
from coupon_pipeline.sandbox.salesforce.schema import Field, ObjectType
from coupon_pipeline.sandbox.salesforce.soql.evaluate import Evaluator
from coupon_pipeline.sandbox.salesforce.soql.projection import Projection, Writing
from coupon_pipeline.sandbox.salesforce.soql.syntax import Path, Query
from coupon_pipeline.sandbox.salesforce.store import Row
from coupon_pipeline.sandbox.salesforce.values import moment_of, parse_datetime, stamp
from coupon_pipeline.sandbox.salesforce.writing import Change

_CHANGES = frozenset({"deleted", "updated"})


def handle(caller: Caller, request: Request) -> Reply:
    """Everything below `sobjects`."""
    match request.segments[1:]:
        case ():
            _only(request, "GET")
            return json_reply(
                global_describe(caller.org.store.schema, caller.user.access, caller.version)
            )
        case (name,):
            return _object(caller, request, caller.object_named(name))
        case (name, "describe"):
            _only(request, "GET")
            object_type = caller.object_named(name)
            return json_reply(
                describe(caller.org.store, object_type, caller.user.access, caller.version)
            )
        case (name, what) if what in _CHANGES:
            _only(request, "GET")
            return _changes(caller, request, caller.object_named(name), what)
        case (name, record_id):
            return _record(caller, request, caller.object_named(name), record_id)
        case (name, key, value):
            return _by_external_id(caller, request, caller.object_named(name), key, value)
    raise not_found()


def _only(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise wrong_method(request.method)


def _object(caller: Caller, request: Request, object_type: ObjectType) -> Reply:
    _only(request, "GET", "POST")
    if request.method == "GET":
        shown = summary(object_type, caller.user.access, caller.version)
        return json_reply({"objectDescribe": shown, "recentItems": []})
    _check_no_id(request.object_body())
    change = Change("create", object_type, body=request.object_body())
    record_id = caller.org.writer.apply_or_raise(caller.user, change)
    return _created(caller, object_type, record_id)


def _created(caller: Caller, object_type: ObjectType, record_id: str) -> Reply:
    reply = json_reply({"id": record_id, "success": True, "errors": []}, 201)
    reply.headers["Location"] = (
        f"/services/data/v{caller.version}/sobjects/{object_type.name}/{record_id}"
    )
    return reply


def _record(caller: Caller, request: Request, object_type: ObjectType, given: str) -> Reply:
    _only(request, "GET", "PATCH", "DELETE")
    record_id = to_18(given)
    if record_id is None or not record_id.startswith(object_type.spec.prefix):
        raise not_found(f"Provided external ID field does not exist or is not accessible: {given}")
    if request.method == "GET":
        return Reply(body=_read(caller, object_type, record_id, request.parameters.get("fields")))
    kind = "update" if request.method == "PATCH" else "delete"
    body = request.object_body() if kind == "update" else {}
    _check_no_id(body)
    change = Change("update" if kind == "update" else "delete", object_type, record_id, body)
    caller.org.writer.apply_or_raise(caller.user, change)
    return no_content()


def _check_no_id(body: Mapping[str, object]) -> None:
    """The address names the record, the body never does."""
    if any(name.lower() == "id" for name in body):
        raise SalesforceError(
            "INVALID_FIELD", "The Id field should not be specified in the sobject data."
        )


def _read(caller: Caller, object_type: ObjectType, record_id: str, fields: str | None) -> str:
    table = caller.org.store[object_type.key]
    if record_id in table.deleted:
        raise deleted()
    row = table.rows.get(record_id)
    late = table.visible_from.get(record_id, "")
    if row is None or late > stamp(caller.org.clock.now()):
        raise not_found()
    return written_record(caller, object_type, row, fields)


def written_record(
    caller: Caller, object_type: ObjectType, row: Row, fields: str | None = None
) -> str:
    """A record as JSON, with all fields that the caller sees or the listed ones."""
    if fields:
        names: Sequence[str] = [name.strip() for name in fields.split(",") if name.strip()]
    else:
        names = [f.name for f in caller.user.access.visible_fields(object_type)]
    select = tuple(Path(tuple(name.split(".")), 0) for name in names)
    query = Query("", select, Path((object_type.name,), 0))
    evaluator = Evaluator(caller.org.store, caller.view(), "")
    shortest = caller.org.switches.salesforce_number_form == "shortest"
    writing = Writing(caller.version, shortest, lambda projection, rows: projection.records(rows))
    return Projection(evaluator, query, object_type, writing).record(row)


def external_id(object_type: ObjectType, key: str) -> Field:
    """The external id field of an upsert's address, or Id itself."""
    found = object_type.field_named(key)
    if found is None or not (found.spec.external_id or found.key == "Id"):
        raise not_found(f"Provided external ID field does not exist or is not accessible: {key}")
    return found


def _by_external_id(
    caller: Caller, request: Request, object_type: ObjectType, key: str, value: str
) -> Reply:
    _only(request, "GET", "PATCH", "DELETE")
    field = external_id(object_type, key)
    if field.key == "Id":
        return _record(caller, request, object_type, value)
    found = matching(caller.org.store, object_type, field, value)
    if len(found) > 1:
        base = f"/services/data/v{caller.version}/sobjects/{object_type.name}"
        return json_reply([f"{base}/{row['Id']}" for row in found], 300)
    if request.method == "PATCH":
        return _upserted(caller, object_type, field, value, request.object_body(), found)
    if not found:
        raise not_found()
    return _record(caller, request, object_type, str(found[0]["Id"]))


def _upserted(
    caller: Caller,
    object_type: ObjectType,
    field: Field,
    value: str,
    body: dict[str, object],
    found: list[Row],
) -> Reply:
    _check_no_id(body)
    if found:
        record_id = str(found[0]["Id"])
        caller.org.writer.apply_or_raise(
            caller.user, Change("update", object_type, record_id, body)
        )
    else:
        change = Change("create", object_type, body={**body, field.name: value})
        record_id = caller.org.writer.apply_or_raise(caller.user, change)
    answer = {"id": record_id, "success": True, "errors": [], "created": not found}
    return json_reply(answer, 200 if found else 201)


def _changes(caller: Caller, request: Request, object_type: ObjectType, what: str) -> Reply:
    start = parse_datetime(request.parameters.get("start", ""))
    end = parse_datetime(request.parameters.get("end", ""))
    if start is None or end is None:
        raise SalesforceError("MISSING_ARGUMENT", "start and end must be datetimes with a zone")
    if moment_of(start) >= moment_of(end):
        raise SalesforceError("INVALID_REPLICATION_DATE", "startDate must be before endDate")
    table = caller.org.store[object_type.key]
    rows = [
        row
        for record_id, row in table.rows.items()
        if start <= str(row.get("SystemModstamp")) < end
        and (record_id in table.deleted) == (what == "deleted")
        and table.visible_from.get(record_id, "") <= stamp(caller.org.clock.now())
    ]
    if what == "updated":
        return json_reply({"ids": [row["Id"] for row in rows], "latestDateCovered": end})
    records = [{"id": row["Id"], "deletedDate": row.get("SystemModstamp")} for row in rows]
    return json_reply(
        {
            "deletedRecords": records,
            "earliestDateAvailable": start,
            "latestDateCovered": end,
        }
    )
