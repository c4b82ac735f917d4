"""What a control request says, and how it is refused."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from coupon_pipeline.sandbox.journal import JsonValue

Body: TypeAlias = dict[str, JsonValue]
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


class BadControlError(ValueError):
    """A control request that cannot be understood; the message says what is expected."""


async def read_body(request: Request, known: set[str]) -> Body:
    """The JSON object of a request, without members that nobody knows."""
    body = await request.json()
    if not isinstance(body, dict):
        raise BadControlError("Send a JSON object.")
    unknown = sorted(set(body) - known)
    if unknown:
        raise BadControlError(f"Unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}.")
    return body


def number_in(body: Body, name: str) -> float:
    """A member that is a number."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadControlError(f"{name} is a number.")
    return value


def whole_in(body: Body, name: str) -> int:
    """A member that is a whole number and not negative."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadControlError(f"{name} is a whole number, 0 or more.")
    return value
