"""`composite` and `composite/batch`: several requests in one.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from coupon_pipeline.sandbox.salesforce.errors import SalesforceError
from coupon_pipeline.sandbox.salesforce.org import Caller
from coupon_pipeline.sandbox.salesforce.rest.exchange import (
    Reply,
    Request,
    error_reply,
    list_of_objects,
    wrong_method,
)

Dispatch: TypeAlias = Callable[[Caller, Request], Reply]

MOST_REQUESTS = 25
MOST_QUERIES_AND_COLLECTIONS = 5
_REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[\d+\])*)\}")
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")
_URL = re.compile(r"/services/data/v(\d+\.\d)/(.*)", re.DOTALL)
_HALTED = SalesforceError(
    "PROCESSING_HALTED",
    "The transaction was rolled back since another operation in the same transaction failed.",
)


def composite(caller: Caller, request: Request, dispatch: Dispatch) -> Reply:
    """Runs the subrequests in order; later ones may use what earlier ones answered."""
    if request.method != "POST":
        raise wrong_method(request.method)
    body = request.object_body()
    requests = list_of_objects(body.get("compositeRequest"), "compositeRequest")
    _check(requests)
    all_or_none = body.get("allOrNone") is True
    store = caller.org.store
    mark = store.mark()
    answers: dict[str, object] = {}
    replies: list[tuple[str, Reply]] = []
    failed = False
    for entry in requests:
        reference = str(entry.get("referenceId"))
        if failed and all_or_none:
            break
        try:
            reply = _subrequest(caller, entry, answers, dispatch)
        except SalesforceError as error:
            reply = error_reply(error)
        replies.append((reference, reply))
        if reply.status >= 300:  # noqa: PLR2004 - anything but success
            failed = True
        else:
            answers[reference] = json.loads(reply.body) if reply.body else None
    if failed and all_or_none:
        store.undo_to(mark)
        replies = _halted(requests, replies)
    written = ",".join(_written(reference, reply) for reference, reply in replies)
    return Reply(body=f'{{"compositeResponse":[{written}]}}')


def _check(requests: Sequence[dict[str, object]]) -> None:
    if len(requests) > MOST_REQUESTS:
        raise SalesforceError(
            "LIMIT_EXCEEDED", f"Number of subrequests cannot exceed the limit of {MOST_REQUESTS}"
        )
    heavy = [r for r in requests if _is_heavy(str(r.get("url")))]
    if len(heavy) > MOST_QUERIES_AND_COLLECTIONS:
        raise SalesforceError(
            "LIMIT_EXCEEDED",
            "Number of query and sObject collection subrequests cannot exceed the limit of "
            f"{MOST_QUERIES_AND_COLLECTIONS}",
        )
    references = [r.get("referenceId") for r in requests]
    for reference in references:
        if not isinstance(reference, str) or not re.fullmatch(r"[A-Za-z]\w*", reference):
            raise SalesforceError("INVALID_INPUT", f"Invalid referenceId: {reference}")
        if references.count(reference) > 1:
            raise SalesforceError("INVALID_INPUT", f"Duplicate referenceId: {reference}")


def _is_heavy(url: str) -> bool:
    path = urlsplit(url).path
    return re.search(r"/(query|queryAll|composite/sobjects)(/|$)", path) is not None


def _subrequest(
    caller: Caller, entry: dict[str, object], answers: dict[str, object], dispatch: Dispatch
) -> Reply:
    entry = {key: _resolved(value, answers) for key, value in entry.items()}
    method, url = str(entry.get("method", "GET")).upper(), str(entry.get("url", ""))
    found = _URL.fullmatch(url)
    if found is None:
        raise SalesforceError("INVALID_INPUT", f"Invalid subrequest url: {url}")
    inner = _request(method, found[2], entry.get("body"), entry.get("httpHeaders"))
    if inner.segments[:1] == ("composite",) and inner.segments[:2] != ("composite", "sobjects"):
        raise SalesforceError("INVALID_INPUT", f"{url} cannot be a subrequest")
    return dispatch(Caller(caller.org, caller.user, found[1]), inner)


def _request(method: str, rest: str, body: object, headers: object) -> Request:
    path, _, query = rest.partition("?")
    named = headers if isinstance(headers, dict) else {}
    return Request(
        method,
        tuple(unquote(part) for part in path.split("/") if part),
        dict(parse_qsl(query, keep_blank_values=True)),
        {str(name).lower(): str(value) for name, value in named.items()},
        body,
    )


def _resolved(value: object, answers: dict[str, object]) -> object:
    """The value with every `@{reference.field}` replaced by what it names."""
    if isinstance(value, dict):
        return {key: _resolved(held, answers) for key, held in value.items()}
    if isinstance(value, list):
        return [_resolved(held, answers) for held in value]
    if not isinstance(value, str):
        return value
    return _REFERENCE.sub(lambda match: str(_named(match, answers)), value)


def _named(match: re.Match[str], answers: dict[str, object]) -> object:
    missing = SalesforceError(
        "PROCESSING_HALTED", f"Invalid reference specified. No value for {match[0][2:-1]} found"
    )
    if match[1] not in answers:
        raise missing
    found = answers[match[1]]
    for step in _STEP.finditer(match[2]):
        if step[1] and isinstance(found, dict) and step[1] in found:
            found = found[step[1]]
        elif step[2] and isinstance(found, list) and int(step[2]) < len(found):
            found = found[int(step[2])]
        else:
            raise missing
    return found


def _halted(
    requests: Sequence[dict[str, object]], replies: list[tuple[str, Reply]]
) -> list[tuple[str, Reply]]:
    """All but the one that failed say that they were taken back."""
    known = dict(replies)
    halted = []
    for entry in requests:
        reference = str(entry.get("referenceId"))
        reply = known.get(reference)
        if reply is None or reply.status < 300:  # noqa: PLR2004 - anything but success
            reply = error_reply(_HALTED)
        halted.append((reference, reply))
    return halted


def _written(reference: str, reply: Reply) -> str:
    headers = {k: v for k, v in reply.headers.items() if k == "Location"}
    return (
        f'{{"body":{reply.body or "null"},"httpHeaders":{json.dumps(headers)},'
        f'"httpStatusCode":{reply.status},"referenceId":{json.dumps(reference)}}}'
    )


def batch(caller: Caller, request: Request, dispatch: Dispatch) -> Reply:
    """`composite/batch`: independent requests, `haltOnError` stops after a failure."""
    if request.method != "POST":
        raise wrong_method(request.method)
    body = request.object_body()
    requests = list_of_objects(body.get("batchRequests"), "batchRequests")
    if len(requests) > MOST_REQUESTS:
        raise SalesforceError(
            "LIMIT_EXCEEDED", f"Number of subrequests cannot exceed the limit of {MOST_REQUESTS}"
        )
    results: list[str] = []
    failed = False
    for entry in requests:
        reply = error_reply(
            SalesforceError("BATCH_PROCESSING_HALTED", "Batch processing halted", status=412)
        )
        if not (failed and body.get("haltOnError") is True):
            reply = _batched(caller, entry, dispatch)
        failed = failed or reply.status >= 300  # noqa: PLR2004 - anything but success
        results.append(f'{{"statusCode":{reply.status},"result":{reply.body or "null"}}}')
    return Reply(body=f'{{"hasErrors":{json.dumps(failed)},"results":[{",".join(results)}]}}')


def _batched(caller: Caller, entry: dict[str, object], dispatch: Dispatch) -> Reply:
    url = str(entry.get("url", "")).removeprefix("/services/data/").removeprefix("/")
    version, _, rest = url.partition("/")
    if not re.fullmatch(r"v\d+\.\d", version) or rest.startswith("composite"):
        return error_reply(SalesforceError("INVALID_INPUT", f"Invalid subrequest url: {url}"))
    try:
        inner = _request(str(entry.get("method", "GET")).upper(), rest, entry.get("richInput"), {})
        return dispatch(Caller(caller.org, caller.user, version[1:]), inner)
    except SalesforceError as error:
        return error_reply(error)
