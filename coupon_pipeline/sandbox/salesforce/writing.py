"""Creating, changing and deleting records, one or many, with everything that follows from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.salesforce import references, rules, validation
from coupon_pipeline.sandbox.salesforce.errors import (
    SalesforceError,
    deleted,
    insufficient_access,
    not_found,
    row_locked,
)
from coupon_pipeline.sandbox.salesforce.ids import IdMinter, to_18
from coupon_pipeline.sandbox.salesforce.schema import Field, ObjectType
from coupon_pipeline.sandbox.salesforce.schema.spec import Scalar
from coupon_pipeline.sandbox.salesforce.store import Row, Store
from coupon_pipeline.sandbox.salesforce.users import User
from coupon_pipeline.sandbox.salesforce.values import coerce, stamp
from coupon_pipeline.sandbox.switches import Switches

Body: TypeAlias = Mapping[str, object]
AfterUpdate: TypeAlias = Callable[[User, Sequence[tuple[Row, Row]]], None]
"""Called with (before, after) of all orders that one call updated."""


@dataclass(frozen=True, slots=True)
class Change:
    """One record of a call: what to do with it."""

    kind: Literal["create", "update", "delete"]
    object_type: ObjectType
    record_id: str | None = None
    body: Body = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change: the record's id, or why it was refused."""

    record_id: str | None
    error: SalesforceError | None = None
    created: bool = False


ROLLED_BACK = SalesforceError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone "
    "header",
)


class Writer:
    """Applies changes as a user; a call's changes share one transaction."""

    def __init__(self, store: Store, clock: Clock, switches: Switches, minter: IdMinter) -> None:
        self._store = store
        self._clock = clock
        self._switches = switches
        self._minter = minter
        self._numbers: dict[str, int] = {}
        self.late_by: dict[str, int] = {}
        """Seconds for which new records of an object are stamped but not yet visible."""
        self.locked: dict[str, int] = {}
        """How often changes of a record will still find it locked by somebody else."""
        self.after_order_update: AfterUpdate = lambda _user, _orders: None

    def apply(
        self, user: User, changes: Sequence[Change | SalesforceError], *, all_or_none: bool = False
    ) -> list[Outcome]:
        """Every change's outcome, in order; triggers run once for all of them."""
        mark = self._store.mark()
        outcomes: list[Outcome] = []
        orders: list[tuple[Row, Row]] = []
        for change in changes:
            if isinstance(change, SalesforceError):
                outcomes.append(Outcome(None, change))
                continue
            step = self._store.mark()
            try:
                outcomes.append(self._apply_one(user, change, orders))
            except SalesforceError as error:
                self._store.undo_to(step)
                outcomes.append(Outcome(None, error))
        if all_or_none and any(outcome.error for outcome in outcomes):
            self._store.undo_to(mark)
            return [o if o.error else Outcome(None, ROLLED_BACK) for o in outcomes]
        if orders:
            self.after_order_update(user, orders)
        return outcomes

    def apply_or_raise(self, user: User, change: Change) -> str:
        """The id of the one record, or the refusal."""
        outcome = self.apply(user, [change])[0]
        if outcome.error is not None:
            raise outcome.error
        return str(outcome.record_id)

    def _apply_one(self, user: User, change: Change, orders: list[tuple[Row, Row]]) -> Outcome:
        if change.kind == "create":
            return Outcome(self._create(user, change.object_type, change.body), created=True)
        row = self._existing(change.object_type, change.record_id or "")
        if change.kind == "delete":
            self._delete(user, change.object_type, row)
            return Outcome(str(row["Id"]))
        after = self._update(user, change.object_type, row, change.body)
        if change.object_type.key == "Order":
            orders.append((row, after))
        return Outcome(str(row["Id"]))

    def _existing(self, object_type: ObjectType, given: str) -> Row:
        record_id = to_18(given)
        if record_id is None or not record_id.startswith(object_type.spec.prefix):
            raise SalesforceError("MALFORMED_ID", f"malformed id {given}", ["Id"])
        table = self._store[object_type.key]
        if record_id in table.deleted:
            raise deleted()
        if record_id not in table.rows:
            raise not_found()
        if self.locked.get(record_id, 0) > 0:
            self.locked[record_id] -= 1
            raise row_locked(self._switches)
        return table.rows[record_id]

    # create and update

    def insert_as_package(self, key: str, values: Row, user: User, at: datetime) -> str:
        """What the package's own code inserts: no permission and no rule of the user applies."""
        row: Row = {"Id": self._minter.mint(self._store.schema[key].spec.prefix)}
        object_type = self._store.schema[key]
        self._fill(object_type, row, user, at)
        row.update(values)
        rules.calculate(self._store, key, row)
        self._store.put(self._store[key], row)
        self._hide_for_now(key, row, at)
        return str(row["Id"])

    def complete(self, object_type: ObjectType, row: Row, user: User) -> None:
        """Give a trusted row the numbers, currency and formulas that it came without."""
        if "CurrencyIsoCode" in object_type.by_key and "CurrencyIsoCode" not in row:
            currency = self._masters_currency(object_type, row) or user.currency
            row["CurrencyIsoCode"] = currency
        for a_field in object_type.autonumbered:
            if a_field.key not in row:
                number = self._next_number(object_type.key)
                row[a_field.key] = str(a_field.spec.autonumber).format(number)
        given = dict(row)
        rules.calculate(self._store, object_type.key, row)
        row.update(given)

    def _create(self, user: User, object_type: ObjectType, body: Body) -> str:
        if not user.access.can_create(object_type):
            raise SalesforceError(
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
                f"entity type {object_type.name} cannot be inserted by this user",
            )
        now = self._clock.now()
        row: Row = {"Id": self._minter.mint(object_type.spec.prefix)}
        given = self._given(user, object_type, body, creating=True)
        self._fill(object_type, row, user, now)
        row.update(given)
        self._default_currency(object_type, row, user, given)
        self._save(object_type, row, None)
        if object_type.key == "Order" and row["StatusCode"] == "Activated":
            row["ActivatedDate"], row["ActivatedById"] = stamp(now), user.id
        table = self._store[object_type.key]
        self._store.put(table, row)
        rules.roll_up(self._store, object_type.key, row)
        self._hide_for_now(object_type.key, row, now)
        return str(row["Id"])

    def _hide_for_now(self, key: str, row: Row, at: datetime) -> None:
        """A transaction that is still open: its rows have their stamp, and nobody sees them."""
        late = self.late_by.get(key)
        if late:
            self._store[key].visible_from[str(row["Id"])] = stamp(at + _seconds(late))

    def _update(self, user: User, object_type: ObjectType, before: Row, body: Body) -> Row:
        if not user.access.can_update(object_type):
            raise insufficient_access(self._switches)
        now = self._clock.now()
        row = before | self._given(user, object_type, body, creating=False)
        row["LastModifiedDate"] = row["SystemModstamp"] = stamp(now)
        row["LastModifiedById"] = user.id
        self._save(object_type, row, before)
        if object_type.key == "Order":
            _stamp_activation(row, before, user, now)
        self._store.put(self._store[object_type.key], row)
        rules.roll_up(self._store, object_type.key, row)
        return row

    def _save(self, object_type: ObjectType, row: Row, before: Row | None) -> None:
        validation.check_required(object_type, row)
        rules.calculate(self._store, object_type.key, row)
        for a_field in object_type.fields:
            value = row.get(a_field.key)
            if before is not None and before.get(a_field.key) == value:
                continue
            validation.check_picklist(self._store, a_field, value)
            if a_field.spec.kind == "reference" and value is not None and _is_written(a_field):
                validation.check_reference(self._store, a_field, str(value))
        validation.check_unique(self._store, object_type, row)
        validation.check_rules(self._store, self._switches, object_type, row, before)
        if object_type.key == "Order" and before is not None:
            self._check_has_items(row, before)

    def _check_has_items(self, row: Row, before: Row) -> None:
        if self._switches.salesforce_activation_needs_items == "no":
            return
        activating = row["StatusCode"] == "Activated" != before.get("StatusCode")
        if activating and not any(self._store["OrderItem"].where("OrderId", row["Id"])):
            raise SalesforceError(
                "FAILED_ACTIVATION", "An order must have at least one product.", ["Status"]
            )

    def _fill(self, object_type: ObjectType, row: Row, user: User, at: datetime) -> None:
        now = stamp(at)
        for a_field in object_type.fields:
            spec = a_field.spec
            if spec.autonumber is not None:
                row[a_field.key] = spec.autonumber.format(self._next_number(object_type.key))
            elif spec.default is not None:
                row[a_field.key] = spec.default
        row.update(
            IsDeleted=False,
            CreatedDate=now,
            CreatedById=user.id,
            LastModifiedDate=now,
            LastModifiedById=user.id,
            SystemModstamp=now,
        )
        if "OwnerId" in object_type.by_key:
            row["OwnerId"] = user.id
        if "CurrencyIsoCode" in object_type.by_key:
            row["CurrencyIsoCode"] = user.currency

    def _next_number(self, key: str) -> int:
        number = self._numbers.get(key, len(self._store[key].rows)) + 1
        self._numbers[key] = number
        return number

    def _default_currency(
        self, object_type: ObjectType, row: Row, user: User, given: Mapping[str, Scalar]
    ) -> None:
        if "CurrencyIsoCode" not in object_type.by_key or given.get("CurrencyIsoCode"):
            return
        row["CurrencyIsoCode"] = user.currency
        is_association = object_type.key.endswith("Association__c")
        if is_association and self._switches.salesforce_association_currency_default == "users":
            return
        row["CurrencyIsoCode"] = self._masters_currency(object_type, row) or user.currency

    def _masters_currency(self, object_type: ObjectType, row: Row) -> Scalar:
        if object_type.master_key is None:
            return None
        master = self._store.row_of(str(row.get(object_type.master_key))) or {}
        return master.get("CurrencyIsoCode")

    # what a body says

    def _given(
        self, user: User, object_type: ObjectType, body: Body, *, creating: bool
    ) -> dict[str, Scalar]:
        given: dict[str, Scalar] = {}
        refused: list[str] = []
        extra_decimals = self._switches.salesforce_extra_decimals
        for name, value in body.items():
            if name == "attributes":
                continue
            a_field = object_type.field_named(name)
            if a_field is None and isinstance(value, dict):
                parent = object_type.parent_named(name)
                if parent is not None and user.access.sees_field(object_type, parent):
                    given[parent.key] = references.by_external_id(self._store, parent, value)
                    continue
            if a_field is None or not user.access.sees_field(object_type, a_field):
                raise SalesforceError(
                    "INVALID_FIELD",
                    f"No such column '{name}' on sobject of type {object_type.name}",
                )
            if not user.access.can_set(object_type, a_field, creating=creating):
                refused.append(a_field.name)
                continue
            given[a_field.key] = coerce(a_field, value, extra_decimals=extra_decimals)
        if refused:
            raise SalesforceError(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                f"Unable to create/update fields: {', '.join(refused)}. Please check the security "
                "settings of this field and verify that it is read/write for your profile or "
                "permission set.",
                refused,
            )
        return given

    # delete

    def _delete(self, user: User, object_type: ObjectType, row: Row) -> None:
        if not user.access.can_delete(object_type):
            raise insufficient_access(self._switches)
        validation.check_deletable(self._store, self._switches, object_type, row)
        moved: Row = {
            "IsDeleted": True,
            "LastModifiedDate": stamp(self._clock.now()),
            "SystemModstamp": stamp(self._clock.now()),
            "LastModifiedById": user.id,
        }
        references.delete(
            self._store, row, moved, coupons=self._switches.salesforce_deleted_coupon_leaves
        )
        rules.roll_up(self._store, object_type.key, row | moved)


def _is_written(a_field: Field) -> bool:
    return a_field.spec.create or a_field.spec.update


def _seconds(count: int) -> timedelta:
    return timedelta(seconds=count)


def _stamp_activation(row: Row, before: Row, user: User, at: datetime) -> None:
    """Activation is stamped by the platform; going back to draft takes the stamp away."""
    is_active = row["StatusCode"] == "Activated"
    was_active = before.get("StatusCode") == "Activated"
    if is_active and not was_active:
        row["ActivatedDate"], row["ActivatedById"] = stamp(at), user.id
    elif was_active and row["StatusCode"] == "Draft":
        row["ActivatedDate"] = row["ActivatedById"] = None
