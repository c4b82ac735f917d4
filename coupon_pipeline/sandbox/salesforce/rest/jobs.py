"""`jobs/query`: Bulk API 2.0 queries, answered as CSV.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/queries.htm
"""

from coupon_pipeline.sandbox.salesforce.bulk import DELIMITERS, LINE_ENDINGS, QueryJob
from coupon_pipeline.sandbox.salesforce.errors import SalesforceError, not_found
from coupon_pipeline.sandbox.salesforce.org import Caller
from coupon_pipeline.sandbox.salesforce.rest.exchange import (
    Reply,
    Request,
    json_reply,
    no_content,
    wrong_method,
)

LARGEST_RESULT = 50_000


def handle(caller: Caller, request: Request) -> Reply:
    """Everything below `jobs/query`."""
    jobs = caller.org.jobs
    match (request.method, request.segments[2:]):
        case ("POST", ()):
            return json_reply(_create(caller, request).describe(caller.version))
        case ("GET", ()):
            listed = [job.describe(caller.version) for job in jobs.all()]
            return json_reply({"done": True, "records": listed, "nextRecordsUrl": None})
        case ("GET", (job_id,)):
            return json_reply(jobs.get(job_id).describe(caller.version))
        case ("PATCH", (job_id,)):
            job = jobs.get(job_id)
            if request.object_body().get("state") != "Aborted":
                raise SalesforceError("INVALIDJOB", "Only the state Aborted can be set")
            job.state = "Aborted"
            return json_reply(job.describe(caller.version))
        case ("DELETE", (job_id,)):
            jobs.remove(job_id)
            return no_content()
        case ("GET", (job_id, "results")):
            return _results(jobs.get(job_id), request)
        case (_, () | (_,) | (_, "results")):
            raise wrong_method(request.method)
    raise not_found()


def _create(caller: Caller, request: Request) -> QueryJob:
    body = request.object_body()
    operation = body.get("operation")
    if operation not in {"query", "queryAll"}:
        raise SalesforceError("INVALIDJOB", f"Unsupported operation: {operation}")
    delimiter = str(body.get("columnDelimiter", "COMMA"))
    ending = str(body.get("lineEnding", "LF"))
    if delimiter not in DELIMITERS or ending not in LINE_ENDINGS:
        raise SalesforceError("INVALIDJOB", "Unknown columnDelimiter or lineEnding")
    view = caller.view(include_deleted=operation == "queryAll")
    return caller.org.jobs.create(
        str(body.get("query", "")), view, str(operation), delimiter, ending, caller.user.id
    )


def _results(job: QueryJob, request: Request) -> Reply:
    if job.state != "JobComplete":
        raise SalesforceError("INVALIDJOB", f"Job is in state {job.state}")
    asked = request.parameters.get("maxRecords", str(LARGEST_RESULT))
    locator = request.parameters.get("locator", "0")
    if not asked.isdigit() or int(asked) == 0 or not locator.isdigit():
        raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
    start = int(locator)
    end = start + int(asked)
    following = str(end) if end < job.size else "null"
    rows = min(end, job.size) - start
    return Reply(
        body=job.csv(start, end),
        content_type="text/csv",
        headers={"Sforce-Locator": following, "Sforce-NumberOfRecords": str(max(0, rows))},
    )
