"""`/services/async`: query jobs of the first Bulk API, in JSON.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/asynch_api_bulk_query_intro.htm
"""

import json

from coupon_pipeline.sandbox.salesforce.errors import SalesforceError, not_found
from coupon_pipeline.sandbox.salesforce.org import Caller
from coupon_pipeline.sandbox.salesforce.rest.exchange import Reply, json_reply
from coupon_pipeline.sandbox.salesforce.soql.evaluate import Evaluator
from coupon_pipeline.sandbox.salesforce.soql.parser import parse
from coupon_pipeline.sandbox.salesforce.soql.projection import Projection, Writing
from coupon_pipeline.sandbox.salesforce.values import stamp

_OPERATIONS = frozenset({"query", "queryAll"})


def handle(caller: Caller, method: str, segments: tuple[str, ...], body: bytes) -> Reply:  # noqa: PLR0911 - one case an endpoint
    """Everything below `/services/async/XX.X`."""
    jobs = caller.org.async_jobs
    match (method, segments):
        case ("POST", ("job",)):
            return json_reply(_create(caller, _object(body)), 201)
        case ("GET", ("job", job_id)):
            return json_reply(_known(jobs, job_id))
        case ("POST", ("job", job_id)):
            job = _known(jobs, job_id)
            job["state"] = _object(body).get("state", job["state"])
            return json_reply(job)
        case ("POST", ("job", job_id, "batch")):
            return json_reply(_add_batch(caller, job_id, body.decode()), 201)
        case ("GET", ("job", job_id, "batch", batch_id)):
            return json_reply(_batch(caller, job_id, batch_id))
        case ("GET", ("job", job_id, "batch", batch_id, "result")):
            _batch(caller, job_id, batch_id)
            return json_reply([_result_id(batch_id)])
        case ("GET", ("job", job_id, "batch", batch_id, "result", result_id)):
            _batch(caller, job_id, batch_id)
            if result_id != _result_id(batch_id):
                raise not_found()
            return Reply(body=caller.org.async_results[batch_id])
    raise not_found()


def _object(body: bytes) -> dict[str, object]:
    try:
        parsed = json.loads(body)
    except ValueError as error:
        raise SalesforceError("InvalidJob", "The body is no JSON") from error
    if not isinstance(parsed, dict):
        raise SalesforceError("InvalidJob", "The body is no JSON object")
    return parsed


def _known(jobs: dict[str, dict[str, object]], key: str) -> dict[str, object]:
    if key not in jobs:
        raise SalesforceError("InvalidJob", f"Invalid job id: {key}", status=400)
    return jobs[key]


def _create(caller: Caller, body: dict[str, object]) -> dict[str, object]:
    if body.get("operation") not in _OPERATIONS or body.get("contentType") != "JSON":
        raise SalesforceError(
            "FeatureNotEnabled", "Only JSON query jobs are served here; use REST to write"
        )
    caller.object_named(str(body.get("object")))
    now = stamp(caller.org.clock.now())
    job: dict[str, object] = {
        "id": caller.org.minter.mint("750"),
        "operation": body["operation"],
        "object": body["object"],
        "createdById": caller.user.id,
        "createdDate": now,
        "systemModstamp": now,
        "state": "Open",
        "concurrencyMode": "Parallel",
        "contentType": "JSON",
        "apiVersion": float(caller.version),
    }
    caller.org.async_jobs[str(job["id"])] = job
    return job


def _add_batch(caller: Caller, job_id: str, text: str) -> dict[str, object]:
    job = _known(caller.org.async_jobs, job_id)
    now = stamp(caller.org.clock.now())
    batch: dict[str, object] = {
        "id": caller.org.minter.mint("751"),
        "jobId": job_id,
        "state": "Completed",
        "createdDate": now,
        "systemModstamp": now,
        "numberRecordsProcessed": 0,
    }
    try:
        caller.org.async_results[str(batch["id"])] = _rows(
            caller, text, include_deleted=job["operation"] == "queryAll"
        )
    except SalesforceError as error:
        batch["state"] = "Failed"
        batch["stateMessage"] = f"InvalidBatch : {error.code}: {error.message}"
        caller.org.async_results[str(batch["id"])] = "[]"
    caller.org.async_jobs[str(batch["id"])] = batch
    return batch


def _rows(caller: Caller, text: str, *, include_deleted: bool) -> str:
    """The rows as one JSON list; datetimes are milliseconds since 1970, as this API has them."""
    query = parse(text)
    evaluator = Evaluator(caller.org.store, caller.view(include_deleted=include_deleted), text)
    shortest = caller.org.switches.salesforce_number_form == "shortest"
    writing = Writing(
        caller.version,
        shortest,
        lambda projection, rows: projection.records(rows),
        epoch_datetimes=True,
    )
    object_type = evaluator.names.object(query.source)
    return Projection(evaluator, query, object_type, writing).records(evaluator.rows(query))


def _batch(caller: Caller, job_id: str, batch_id: str) -> dict[str, object]:
    batch = _known(caller.org.async_jobs, batch_id)
    if batch.get("jobId") != job_id:
        raise not_found()
    return batch


def _result_id(batch_id: str) -> str:
    return "752" + batch_id[3:]
