"""Everything below `/services/data/vXX.X`."""

import contextlib

from coupon_pipeline.sandbox.salesforce.errors import SalesforceError, not_found
from coupon_pipeline.sandbox.salesforce.org import Caller
from coupon_pipeline.sandbox.salesforce.queries import LARGEST_PAGE, SMALLEST_PAGE, Page
from coupon_pipeline.sandbox.salesforce.rest import collections, composite, jobs, sobjects
from coupon_pipeline.sandbox.salesforce.rest.exchange import (
    Reply,
    Request,
    json_reply,
    wrong_method,
)

OLDEST_VERSION, NEWEST_VERSION = 52, 68


def versions() -> list[dict[str, str]]:
    """What `GET /services/data` lists."""
    return [
        {"label": f"API {number}.0", "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
        for number in range(OLDEST_VERSION, NEWEST_VERSION + 1)
    ]


def is_known_version(version: str) -> bool:
    """Whether `version` (`59.0`) is one that the org speaks."""
    number, _, minor = version.partition(".")
    return minor == "0" and number.isdigit() and OLDEST_VERSION <= int(number) <= NEWEST_VERSION


def dispatch(caller: Caller, request: Request) -> Reply:  # noqa: C901, PLR0911 - one case an endpoint
    """The reply to a request whose caller is known."""
    if not is_known_version(caller.version):
        raise not_found()
    match request.segments:
        case ():
            return _resources(caller, request)
        case ("limits",):
            return _limits(caller, request)
        case ("query" | "queryAll" as kind,):
            return _query(caller, request, include_deleted=kind == "queryAll")
        case ("query" | "queryAll", locator):
            _get_only(request)
            return _page(caller.org.queries.more(locator, caller.user.id))
        case ("sobjects", *_):
            return sobjects.handle(caller, request)
        case ("composite",):
            return composite.composite(caller, request, dispatch)
        case ("composite", "batch"):
            return composite.batch(caller, request, dispatch)
        case ("composite", "sobjects", *_):
            return collections.handle(caller, request)
        case ("jobs", "query", *_):
            return jobs.handle(caller, request)
    raise not_found()


def _get_only(request: Request) -> None:
    if request.method != "GET":
        raise wrong_method(request.method)


def _resources(caller: Caller, request: Request) -> Reply:
    _get_only(request)
    base = f"/services/data/v{caller.version}"
    names = ("sobjects", "query", "queryAll", "limits", "composite", "jobs")
    return json_reply({name: f"{base}/{name}" for name in names})


def _limits(caller: Caller, request: Request) -> Reply:
    _get_only(request)
    usage = caller.org.usage
    remaining = max(0, usage.limit - usage.used)
    return json_reply(
        {
            "DailyApiRequests": {"Max": usage.limit, "Remaining": remaining},
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
            "DailyBulkV2QueryFileStorageMB": {"Max": 976_562, "Remaining": 976_562},
            "DataStorageMB": {"Max": 1_024, "Remaining": 1_000},
        }
    )


def _query(caller: Caller, request: Request, *, include_deleted: bool) -> Reply:
    _get_only(request)
    text = request.parameters.get("q")
    if text is None:
        raise SalesforceError("MALFORMED_QUERY", "unexpected token: '<EOF>'")
    page = caller.org.queries.run(
        text,
        caller.view(include_deleted=include_deleted),
        version=caller.version,
        user_id=caller.user.id,
        size=page_size(request),
    )
    return _page(page)


def page_size(request: Request) -> int:
    """The batch size that `Sforce-Query-Options` asks for, within what is allowed."""
    _, _, asked = request.headers.get("sforce-query-options", "").partition("batchSize=")
    with contextlib.suppress(ValueError):
        return min(LARGEST_PAGE, max(SMALLEST_PAGE, int(asked)))
    return LARGEST_PAGE


def _page(page: Page) -> Reply:
    return Reply(body=page.json, after=page.prepare_next)
