"""A request to Stripe and its answer, as plain data.

Answers are parsed from the reply's text with exact decimals. The SDK's own objects turn
`percent_off` into a float, which must not come near a discount.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias

from coupon_pipeline.domain.currency import plain
from coupon_pipeline.stripe_api.errors import StripeRejected

JsonValue: TypeAlias = "bool | int | Decimal | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]

Method: TypeAlias = Literal["get", "post"]

_PATH_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method and a path with its ids left open.

    The documentation gives limits for each endpoint and does not say whether reading and writing
    one path are two (https://docs.stripe.com/rate-limits). They are paced as one here, by the path,
    which is within the limit either way.
    """

    method: Method
    path: str
    writes: bool = False

    @property
    def label(self) -> str:
        """How reports name it."""
        return f"{self.method.upper()} {self.path}"


ACCOUNT = Endpoint("get", "/v1/account")
COUPON = Endpoint("get", "/v1/coupons/{id}")
COUPONS = Endpoint("get", "/v1/coupons")
COUPON_CREATE = Endpoint("post", "/v1/coupons", writes=True)
COUPON_UPDATE = Endpoint("post", "/v1/coupons/{id}", writes=True)
SUBSCRIPTION = Endpoint("get", "/v1/subscriptions/{id}")
SUBSCRIPTIONS = Endpoint("get", "/v1/subscriptions")
SUBSCRIPTION_UPDATE = Endpoint("post", "/v1/subscriptions/{id}", writes=True)
SCHEDULE = Endpoint("get", "/v1/subscription_schedules/{id}")
SCHEDULES = Endpoint("get", "/v1/subscription_schedules")
SCHEDULE_UPDATE = Endpoint("post", "/v1/subscription_schedules/{id}", writes=True)
CUSTOMERS = Endpoint("get", "/v1/customers")
EVENTS = Endpoint("get", "/v1/events")
INVOICES = Endpoint("get", "/v1/invoices")
INVOICE_PREVIEW = Endpoint("post", "/v1/invoices/create_preview")
"""A POST that changes nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of the API. A write carries the idempotency key that follows from its intent."""

    endpoint: Endpoint
    object_id: str | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        if self.endpoint.writes and self.idempotency_key is None:
            raise ValueError(f"{self.endpoint.label} needs an idempotency key")
        if ("{id}" in self.endpoint.path) != (self.object_id is not None):
            raise ValueError(f"{self.endpoint.label} does not fit the object id given")

    @property
    def path(self) -> str:
        """The path to call.

        Raises:
            StripeRejected: the id would name another path than its own. The SDK turns a space
                into a plus and `..` into the folder above.
        """
        if self.object_id is None:
            return self.endpoint.path
        if not _PATH_ID.fullmatch(self.object_id):
            raise StripeRejected(
                f"{self.object_id!r} cannot be used as an id in the address of a Stripe object.",
                reason="id_unusable",
                param="id",
            )
        return self.endpoint.path.replace("{id}", self.object_id)


@dataclass(frozen=True, slots=True)
class Answer:
    """What Stripe answered. `body` is exact: whole numbers are `int`, others `Decimal`."""

    body: JsonObject
    request_id: str | None
    replayed: bool = False
    """Whether Stripe gave a stored answer for the idempotency key."""


Send: TypeAlias = Callable[[Request], Answer]
"""What carries a request out: `StripeConnection.send`."""


def parse_body(text: str) -> JsonObject:
    """A reply's text as exact data.

    Raises:
        ValueError: it is not a JSON object.
    """
    body: JsonValue = json.loads(text, parse_float=Decimal, parse_constant=_not_a_number)
    if not isinstance(body, dict):
        raise ValueError("the reply is not a JSON object")  # noqa: TRY004 - what came is wrong, not who called
    return body


def _not_a_number(text: str) -> None:
    raise ValueError(f"{text} is not a number")


def encodable(params: Mapping[str, object]) -> dict[str, object]:
    """Parameters that the SDK sends exactly as they are meant.

    The SDK drops `None`, `[]` and `{}` without a word and writes floats as Python does, so
    they are refused, which blocks the one record; to clear a list, send `""`. Fields are in order
    of their names: Stripe refuses an idempotency key that comes again with other parameters, and
    may go by the text (https://docs.stripe.com/api/idempotent_requests).

    Raises:
        StripeRejected: a value would vanish or change on its way.
    """
    return {key: _encodable(params[key], key) for key in sorted(params)}


def _encodable(value: object, where: str) -> object:
    if isinstance(value, (bool, int)) or (isinstance(value, str) and _is_unicode(value)):
        return value
    if isinstance(value, Decimal) and value.is_finite():
        return plain(value)
    if isinstance(value, Mapping) and value:
        return {str(key): _encodable(value[key], f"{where}[{key}]") for key in sorted(value)}
    if isinstance(value, Sequence) and value and not isinstance(value, str):
        return [_encodable(inner, f"{where}[{index}]") for index, inner in enumerate(value)]
    raise StripeRejected(
        f"{where}: {value!r} would not reach Stripe as it is meant.",
        reason="parameter_unusable",
        param=where,
    )


def _is_unicode(text: str) -> bool:
    """JSON can hold halves of characters, which no request can carry."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
