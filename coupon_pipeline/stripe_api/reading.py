"""Fields of a reply, taken out with the type that Stripe documents for them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar

from coupon_pipeline.stripe_api.errors import StripeRejected
from coupon_pipeline.stripe_api.messages import JsonObject, JsonValue

C = TypeVar("C", bound=str)


class Reader:
    """Takes typed values out of one object of a reply.

    Every method raises StripeRejected when the value is not of the documented type: such an
    answer blocks the record that it is about, and no other.
    """

    def __init__(self, body: JsonObject) -> None:
        self.body = body

    def text(self, name: str) -> str:
        """A string that is always there."""
        value = self.optional_text(name)
        if value is None:
            raise self._unexpected(name, "a text")
        return value

    def optional_text(self, name: str) -> str | None:
        """A string or null."""
        value = self.body.get(name)
        if value is None or isinstance(value, str):
            return value
        raise self._unexpected(name, "a text")

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.body.get(name)
        if isinstance(value, bool):
            return value
        raise self._unexpected(name, "true or false")

    def whole(self, name: str) -> int:
        """A whole number that is always there."""
        value = self.optional_whole(name)
        if value is None:
            raise self._unexpected(name, "a whole number")
        return value

    def optional_whole(self, name: str) -> int | None:
        """A whole number or null."""
        value = self.body.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise self._unexpected(name, "a whole number")

    def optional_decimal(self, name: str) -> Decimal | None:
        """A number, exactly as it was written, or null."""
        value = self.body.get(name)
        if isinstance(value, Decimal) or value is None:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return Decimal(value)
        raise self._unexpected(name, "a number")

    def choice(self, name: str, choices: Sequence[C]) -> C:
        """One of the documented words."""
        for choice in choices:
            if self.body.get(name) == choice:
                return choice
        raise self._unexpected(name, f"one of {', '.join(choices)}")

    def texts(self, name: str) -> dict[str, str]:
        """A map of texts such as metadata; null counts as empty."""
        return {key: str(value) for key, value in self.inner(name).items()}

    def inner(self, name: str) -> JsonObject:
        """An object inside this one; null counts as empty."""
        value = self.body.get(name)
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        raise self._unexpected(name, "an object")

    def maps(self, name: str) -> dict[str, JsonObject]:
        """A map of objects; null counts as empty."""
        return {key: self._object(name, value) for key, value in self.inner(name).items()}

    def text_list(self, name: str) -> tuple[str, ...]:
        """A list of texts; null counts as empty."""
        return tuple(str(value) for value in self._list(name))

    def objects(self, name: str) -> list[JsonObject]:
        """A list of objects; null counts as empty."""
        return [self._object(name, value) for value in self._list(name)]

    def _list(self, name: str) -> list[JsonValue]:
        value = self.body.get(name)
        if value is None:
            return []
        if isinstance(value, list):
            return value
        raise self._unexpected(name, "a list")

    def _object(self, name: str, value: JsonValue) -> JsonObject:
        if isinstance(value, dict):
            return value
        raise self._unexpected(name, "made of objects")

    def _unexpected(self, name: str, wanted: str) -> StripeRejected:
        what = f"{self.body.get('object', 'object')} {self.body.get('id', '')}".strip()
        return StripeRejected(
            f"Stripe's answer about {what} has no {name} that is {wanted}.",
            reason="answer_unexpected",
            param=name,
        )
