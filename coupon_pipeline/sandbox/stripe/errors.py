"""Stripe's refusals: status, type, code, parameter and message, and the JSON body they make."""

from typing import Any

DOC_URL = "https://stripe.com/docs/error-codes/"


class StripeError(Exception):
    """An answer that is not 200.

    `stored` says that the work had begun, so that an idempotency key keeps this answer
    (https://docs.stripe.com/api/idempotent_requests).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        error_type: str = "invalid_request_error",
        headers: dict[str, str] | None = None,
        stored: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.param = param
        self.error_type = error_type
        self.headers = headers or {}
        self.stored = stored

    def body(self, request_id: str, *, livemode: bool) -> dict[str, Any]:
        """The error as Stripe writes it; absent members are left out."""
        mode = "" if livemode else "test/"
        error: dict[str, Any] = {}
        if self.code is not None:
            error["code"] = self.code
            error["doc_url"] = DOC_URL + self.code.replace("_", "-")
        error["message"] = self.message
        if self.param is not None:
            error["param"] = self.param
        error["request_log_url"] = f"https://dashboard.stripe.com/{mode}logs/{request_id}"
        error["type"] = self.error_type
        return {"error": error}


class ConditionError(StripeError):
    """The parameters are well formed, but the state of the account forbids it."""


WORDS = {
    "payment_method": "PaymentMethod",
    "subscription_schedule": "subscription schedule",
    "subscription_item": "subscription_item",
    "promotion_code": "promotion code",
    "tax_rate": "tax rate",
    "test_clock": "test clock",
}


def no_such(
    kind: str, object_id: str, param: str, *, status: int = 404, note: str = ""
) -> StripeError:
    """The object named does not exist: 404 for one in the path, 400 for one in a parameter."""
    return ConditionError(
        f"No such {WORDS.get(kind, kind)}: '{object_id}'{note}",
        status=status,
        code="resource_missing",
        param=param,
    )


def unknown_parameters(names: list[str]) -> StripeError:
    """Parameters that the API does not have here."""
    plural = "s" if len(names) > 1 else ""
    return StripeError(
        f"Received unknown parameter{plural}: {', '.join(names)}",
        code="parameter_unknown",
        param=names[0],
    )


def not_implemented(name: str) -> StripeError:
    """A parameter that Stripe has and this sandbox does not: said, never ignored."""
    return StripeError(
        f"Received unknown parameter: {name} (Stripe knows it; the sandbox does not implement it)",
        code="parameter_unknown",
        param=name,
    )


def missing_parameter(name: str) -> StripeError:
    """A required parameter is absent."""
    return StripeError(f"Missing required param: {name}.", code="parameter_missing", param=name)


def exclusive_parameters(names: list[str]) -> StripeError:
    """Parameters that exclude each other."""
    return StripeError(
        f"You may only specify one of these parameters: {', '.join(names)}.",
        code="parameters_exclusive",
        param=names[0],
    )


def invalid(message: str, param: str, code: str | None = None) -> StripeError:
    """A value that breaks a rule of its parameter."""
    return StripeError(message, code=code, param=param)


def unrecognized_url(method: str, path: str) -> StripeError:
    """No such endpoint, or not with this method."""
    return StripeError(
        f"Unrecognized request URL ({method}: {path}). If you are trying to list objects, remove "
        "the trailing slash. If you are trying to retrieve an object, make sure you passed a "
        "valid (non-empty) identifier in your code. Please see https://stripe.com/docs or we can "
        "help at https://support.stripe.com/.",
        status=404,
    )
