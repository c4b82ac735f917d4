"""A row of an answer, read with the type that its column must have."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NoReturn

from coupon_pipeline.domain.ids import LONG, normalise_id
from coupon_pipeline.domain.records import Scalar
from coupon_pipeline.salesforce.errors import SalesforceRefused
from coupon_pipeline.salesforce.json_values import Json


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a query's answer. A path goes through parents: `Order.ActivatedDate`."""

    fields: Mapping[str, Json]

    def value(self, path: str) -> Json:
        """What is at the path; `None` also where a parent is missing."""
        if "." not in path:
            return self.fields.get(path)
        value: Json = None
        fields: Mapping[str, Json] = self.fields
        for step in path.split("."):
            value = fields.get(step)
            fields = value if isinstance(value, dict) else {}
        return value

    def scalar(self, path: str) -> Scalar:
        """The value for raw fields; a compound value is no scalar and counts as none."""
        value = self.value(path)
        return None if isinstance(value, list | dict) else value

    def text(self, path: str) -> str | None:
        """A text; empty counts as none, as Salesforce stores it."""
        value = self.value(path)
        if value is None or value == "":
            return None
        return value if isinstance(value, str) else str(value)

    def id(self, path: str) -> str | None:
        """The id of a record in its 18 characters."""
        value = self.text(path)
        return value if value is None or len(value) == LONG else normalise_id(value)

    def own_id(self) -> str:
        """The id of the record itself."""
        return self.id("Id") or self._missing("Id")

    def flag(self, path: str) -> bool:
        """A checkbox."""
        return self.value(path) is True

    def decimal(self, path: str) -> Decimal | None:
        """An exact number."""
        value = self.value(path)
        if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
            return None
        return Decimal(value)

    def day(self, path: str) -> date | None:
        """A date without a time."""
        value = self.text(path)
        return None if value is None else date.fromisoformat(value[:10])

    def moment(self, path: str) -> datetime | None:
        """A time, in UTC."""
        value = self.text(path)
        return None if value is None else datetime.fromisoformat(value).astimezone(UTC)

    def known_text(self, path: str) -> str:
        """A text that every record has."""
        return self.text(path) or self._missing(path)

    def known_decimal(self, path: str) -> Decimal:
        """A number that every record has."""
        number = self.decimal(path)
        return self._missing(path) if number is None else number

    def known_moment(self, path: str) -> datetime:
        """A time that every record has."""
        return self.moment(path) or self._missing(path)

    def known_id(self, path: str) -> str:
        """An id that every record has."""
        return self.id(path) or self._missing(path)

    def _missing(self, path: str) -> NoReturn:
        raise SalesforceRefused(
            f"The record {self.fields.get('Id')} came without {path}.",
            "Check that the user may read this field.",
            code="salesforce.permission",
            field_name=path,
        )
