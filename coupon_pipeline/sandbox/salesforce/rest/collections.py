"""`composite/sobjects`: up to 200 records in one call.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm
"""

import json
from collections import Counter
from collections.abc import Sequence

from coupon_pipeline.sandbox.salesforce.errors import SalesforceError, not_found
from coupon_pipeline.sandbox.salesforce.ids import to_18
from coupon_pipeline.sandbox.salesforce.org import Caller
from coupon_pipeline.sandbox.salesforce.references import matching
from coupon_pipeline.sandbox.salesforce.rest.exchange import (
    Reply,
    Request,
    json_reply,
    list_of_objects,
    wrong_method,
)
from coupon_pipeline.sandbox.salesforce.rest.sobjects import external_id, written_record
from coupon_pipeline.sandbox.salesforce.schema import Field, ObjectType
from coupon_pipeline.sandbox.salesforce.values import stamp
from coupon_pipeline.sandbox.salesforce.writing import Change, Outcome

MOST_RECORDS = 200


def handle(caller: Caller, request: Request) -> Reply:
    """Everything below `composite/sobjects`."""
    names = request.segments[2:]
    if not names:
        match request.method:
            case "POST":
                return _create(caller, request)
            case "PATCH":
                return _update(caller, request)
            case "DELETE":
                return _delete(caller, request)
    elif len(names) == 1 and request.method in {"GET", "POST"}:
        return _retrieve(caller, request, caller.object_named(names[0]))
    elif len(names) == 2 and request.method == "PATCH":  # noqa: PLR2004 - object and field
        return _upsert(caller, request, caller.object_named(names[0]), names[1])
    elif len(names) > 2:  # noqa: PLR2004 - object and field
        raise not_found()
    raise wrong_method(request.method)


def _records(request: Request) -> Sequence[dict[str, object]]:
    records = list_of_objects(request.object_body().get("records"), "records")
    _check_count(len(records))
    return records


def _check_count(count: int) -> None:
    if count > MOST_RECORDS:
        raise SalesforceError(
            "EXCEEDED_ID_LIMIT",
            f"record limit reached. cannot submit more than {MOST_RECORDS} records into this call",
        )


def _all_or_none(request: Request) -> bool:
    return request.object_body().get("allOrNone") is True


def _type_of(caller: Caller, record: dict[str, object]) -> ObjectType | SalesforceError:
    attributes = record.get("attributes")
    name = attributes.get("type") if isinstance(attributes, dict) else None
    if not isinstance(name, str):
        return SalesforceError(
            "INVALID_INPUT", "Include an object type in the attributes of each record"
        )
    found = caller.org.store.schema.object_named(name)
    if found is None or not caller.user.access.sees(found):
        return SalesforceError("INVALID_TYPE", f"sObject type '{name}' is not supported.")
    return found


def _create(caller: Caller, request: Request) -> Reply:
    changes: list[Change | SalesforceError] = []
    for record in _records(request):
        object_type = _type_of(caller, record)
        if isinstance(object_type, SalesforceError):
            changes.append(object_type)
        elif any(name.lower() == "id" for name in record):
            changes.append(
                SalesforceError(
                    "INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ["Id"]
                )
            )
        else:
            changes.append(Change("create", object_type, body=record))
    return _answer(caller, changes, all_or_none=_all_or_none(request))


def _update(caller: Caller, request: Request) -> Reply:
    changes: list[Change | SalesforceError] = []
    seen: set[str] = set()
    for record in _records(request):
        object_type = _type_of(caller, record)
        if isinstance(object_type, SalesforceError):
            changes.append(object_type)
            continue
        body = {name: value for name, value in record.items() if name.lower() != "id"}
        given = next((value for name, value in record.items() if name.lower() == "id"), None)
        record_id = to_18(str(given)) if given else None
        if record_id is None:
            missing = given is None or given == ""
            changes.append(
                SalesforceError("MISSING_ARGUMENT", "Id not specified in an update call")
                if missing
                else SalesforceError("MALFORMED_ID", f"malformed id {given}", ["Id"])
            )
        elif record_id in seen:
            changes.append(
                SalesforceError("INVALID_FIELD", f"duplicate id in list: {record_id}", ["Id"])
            )
        else:
            seen.add(record_id)
            changes.append(Change("update", object_type, record_id, body))
    return _answer(caller, changes, all_or_none=_all_or_none(request))


def _delete(caller: Caller, request: Request) -> Reply:
    ids = [given for given in request.parameters.get("ids", "").split(",") if given]
    if not ids:
        raise SalesforceError("MISSING_ARGUMENT", "The ids parameter is required")
    _check_count(len(ids))
    changes: list[Change | SalesforceError] = []
    for given in ids:
        record_id = to_18(given)
        table = caller.org.store.table_of(record_id) if record_id else None
        if record_id is None or table is None or not caller.user.access.sees(table.object):
            changes.append(SalesforceError("MALFORMED_ID", f"malformed id {given}"))
        else:
            changes.append(Change("delete", table.object, record_id))
    all_or_none = request.parameters.get("allOrNone", "").lower() == "true"
    return _answer(caller, changes, all_or_none=all_or_none)


def _upsert(caller: Caller, request: Request, object_type: ObjectType, key: str) -> Reply:
    field = external_id(object_type, key)
    records = _records(request)
    values = [_value(record, field) for record in records]
    times = Counter(value.lower() for value in values)
    changes = [
        _repeated(field, value)
        if value and times[value.lower()] > 1
        else _upserting(caller, object_type, field, value, record)
        for value, record in zip(values, records, strict=True)
    ]
    outcomes = caller.org.writer.apply(caller.user, changes, all_or_none=_all_or_none(request))
    return json_reply([result(outcome) | {"created": outcome.created} for outcome in outcomes])


def _value(record: dict[str, object], field: Field) -> str:
    """What the record holds as its external id, empty if nothing."""
    for name, held in record.items():
        if name.lower() == field.name.lower() and held is not None:
            return (to_18(str(held)) or str(held)) if field.key == "Id" else str(held)
    return ""


def _repeated(field: Field, value: str) -> SalesforceError:
    return SalesforceError(
        "DUPLICATE_VALUE", f"Duplicate external id specified: {value}", [field.name]
    )


def _upserting(
    caller: Caller, object_type: ObjectType, field: Field, value: str, record: dict[str, object]
) -> Change | SalesforceError:
    if not value:
        return SalesforceError("MISSING_ARGUMENT", f"{field.name} not specified", [field.name])
    body = {name: held for name, held in record.items() if name.lower() != field.name.lower()}
    found = matching(caller.org.store, object_type, field, value)
    if len(found) > 1:
        ids = ", ".join(str(row["Id"]) for row in found)
        return SalesforceError(
            "DUPLICATE_EXTERNAL_ID",
            f"{field.name}: more than one record found for external id field: [{ids}]",
            [field.name],
        )
    if found:
        return Change("update", object_type, str(found[0]["Id"]), body)
    if field.key == "Id":
        return SalesforceError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    return Change("create", object_type, body={**body, field.name: value})


def _answer(
    caller: Caller, changes: Sequence[Change | SalesforceError], *, all_or_none: bool
) -> Reply:
    outcomes = caller.org.writer.apply(caller.user, changes, all_or_none=all_or_none)
    return json_reply([result(outcome) for outcome in outcomes])


def result(outcome: Outcome) -> dict[str, object]:
    """What a collection answers for one record."""
    if outcome.error is not None:
        return {"success": False, "errors": [outcome.error.as_result()]}
    return {"id": outcome.record_id, "success": True, "errors": []}


def _retrieve(caller: Caller, request: Request, object_type: ObjectType) -> Reply:
    if request.method == "GET":
        ids: list[object] = list(request.parameters.get("ids", "").split(","))
        fields = request.parameters.get("fields", "Id")
    else:
        body = request.object_body()
        given, names = body.get("ids"), body.get("fields")
        ids = given if isinstance(given, list) else []
        fields = ",".join(map(str, names)) if isinstance(names, list) else "Id"
    table = caller.org.store[object_type.key]
    now = stamp(caller.org.clock.now())
    written = []
    for entry in ids:
        record_id = to_18(str(entry)) or ""
        row = table.live(record_id)
        if row is None or table.visible_from.get(record_id, "") > now:
            written.append(json.dumps(None))
        else:
            written.append(written_record(caller, object_type, row, fields))
    return Reply(body=f"[{','.join(written)}]")
