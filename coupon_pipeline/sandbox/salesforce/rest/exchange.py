"""A request and its reply, apart from the server that carries them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from coupon_pipeline.sandbox.salesforce.errors import SalesforceError

JSON = "application/json;charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked. `segments` are the decoded parts of the path below the API version."""

    method: str
    segments: tuple[str, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    """The body, parsed; see `object_body`."""

    def object_body(self) -> dict[str, object]:
        """The body as a JSON object."""
        if not isinstance(self.body, dict):
            raise SalesforceError(
                "JSON_PARSER_ERROR",
                "The HTTP entity body is required, but this request has no "
                "entity body, or it is no JSON object.",
            )
        return self.body


@dataclass(slots=True)
class Reply:
    """What is answered; `after` runs when it is on its way."""

    status: int = 200
    body: str = ""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    after: Callable[[], None] | None = None


def json_reply(value: object, status: int = 200) -> Reply:
    """A value as a JSON reply."""
    return Reply(status, json.dumps(value))


def no_content() -> Reply:
    """204."""
    return Reply(204)


def error_reply(*errors: SalesforceError) -> Reply:
    """A list of errors, with the status of the first."""
    return json_reply([error.as_body() for error in errors], errors[0].status)


def list_of_objects(value: object, what: str) -> Sequence[dict[str, object]]:
    """A list of JSON objects in a body, or the refusal."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise SalesforceError("JSON_PARSER_ERROR", f"{what} must be a list of JSON objects")
    return value


def wrong_method(method: str) -> SalesforceError:
    """405: the address exists, the method does not."""
    return SalesforceError("METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed.", status=405)
