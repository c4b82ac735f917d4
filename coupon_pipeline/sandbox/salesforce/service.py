"""The Salesforce service: one org, its application, and the ways in that tests and pages use."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal

from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.journal import Journal, JsonValue
from coupon_pipeline.sandbox.salesforce.access import Access, coupon_user
from coupon_pipeline.sandbox.salesforce.bulk import QueryJobs
from coupon_pipeline.sandbox.salesforce.errors import (
    SalesforceError,
    expired_session,
    row_locked,
)
from coupon_pipeline.sandbox.salesforce.foundation import (
    CORPORATE_CURRENCY,
    COUPON_USERNAME,
    INTEGRATION_USERNAME,
    Foundation,
)
from coupon_pipeline.sandbox.salesforce.ids import IdMinter
from coupon_pipeline.sandbox.salesforce.login import Sessions
from coupon_pipeline.sandbox.salesforce.org import ApiUsage, Org
from coupon_pipeline.sandbox.salesforce.queries import Queries
from coupon_pipeline.sandbox.salesforce.rest.app import App
from coupon_pipeline.sandbox.salesforce.rest.exchange import error_reply
from coupon_pipeline.sandbox.salesforce.schema import Schema, build_schema
from coupon_pipeline.sandbox.salesforce.schema.model import NUMBER_KINDS
from coupon_pipeline.sandbox.salesforce.schema.spec import Scalar
from coupon_pipeline.sandbox.salesforce.store import Row, Store
from coupon_pipeline.sandbox.salesforce.trigger import ActivationTrigger
from coupon_pipeline.sandbox.salesforce.users import User
from coupon_pipeline.sandbox.salesforce.values import from_journal, stamp, trusted, trusted_time
from coupon_pipeline.sandbox.salesforce.writing import Change, Writer
from coupon_pipeline.sandbox.switches import Switches

PASSWORD = "sandbox-password"  # noqa: S105 - it opens nothing but the sandbox
MY_DOMAIN = "acme.my.salesforce.com"

_SYSTEM_FIELDS = (
    "CreatedDate",
    "CreatedById",
    "LastModifiedDate",
    "LastModifiedById",
    "SystemModstamp",
)


class SalesforceService:
    """One org. Object and field names here are without the package's namespace."""

    def __init__(
        self,
        clock: Clock,
        switches: Switches,
        journal: Journal,
        seed: int,
        *,
        namespace: str = "stripeConnector",
        multi_currency: bool = True,
        instance_url: str = "",
    ) -> None:
        self._journal = journal
        self.clock = clock
        self.namespace = namespace
        self.multi_currency = multi_currency
        self.instance_url = instance_url
        self.schema: Schema = build_schema(namespace, multi_currency=multi_currency)
        self.store = Store(self.schema)
        self._minter = IdMinter(seed)
        if not self._load():
            Foundation(
                self.store, self._minter, clock.now(), namespace, multi_currency=multi_currency
            )
        self.org_id = next(iter(self.store["Organization"].rows))
        self.integration_user = self._user(INTEGRATION_USERNAME, Access())
        self.coupon_user = self._user(COUPON_USERNAME, coupon_user(self.schema.objects))
        users = {user.username: user for user in (self.integration_user, self.coupon_user)}
        self.sessions = Sessions(clock, switches, seed, self.org_id, users)
        self.access_token = self.sessions.open(self.integration_user)
        self.coupon_user_token = self.sessions.open(self.coupon_user)
        self.writer = Writer(self.store, clock, switches, self._minter)
        self.trigger = ActivationTrigger(self.store, self.writer, clock, switches)
        self.writer.after_order_update = self.trigger
        self.org = Org(
            org_id=self.org_id,
            store=self.store,
            clock=clock,
            switches=switches,
            minter=self._minter,
            sessions=self.sessions,
            queries=Queries(self.store, switches, self._minter),
            jobs=QueryJobs(self.store, clock, switches, self._minter),
            writer=self.writer,
            trigger=self.trigger,
            usage=ApiUsage(),
            my_domain=MY_DOMAIN,
        )
        clock.on_advance(lambda _before, after: self._settle(after))
        self.app: ASGIApp = App(self.org, self._remember)
        self._remember()

    def _user(self, username: str, access: Access) -> User:
        row = next(r for r in self.store["User"].rows.values() if r["Username"] == username)
        currency = str(row.get("DefaultCurrencyIsoCode") or CORPORATE_CURRENCY)
        return User(str(row["Id"]), username, PASSWORD, access, currency)

    def _settle(self, now: datetime) -> None:
        self.trigger.settle(now)
        self._remember()

    # state

    def _load(self) -> bool:
        """Takes up what the journal kept; False if it kept nothing."""
        for table in self.store.tables.values():
            for record_id, kept in self._journal.load(_table_name(table.object.key)).items():
                if isinstance(kept, dict):
                    fields = table.object.by_key
                    row = {k: from_journal(fields[k], v) for k, v in kept.items() if k in fields}
                    table.put(row)
                    self._minter.after(record_id)
        return bool(self.store["Organization"].rows)

    def _remember(self) -> None:
        """End the transaction and hand what changed to the journal."""
        self.store.commit()
        changed, self.store.changed = self.store.changed, []
        if not self._journal.keeps:
            return
        for table, record_id in changed:
            row = table.rows.get(record_id)
            value = None if row is None else {key: _kept(held) for key, held in row.items()}
            self._journal.put(_table_name(table.object.key), record_id, value)

    # records

    def insert(self, object_name: str, records: Iterable[Mapping[str, object]]) -> list[str]:
        """Put many records as they are: ids and system fields may be given, nothing is checked.

        Values are dates, datetimes, numbers, texts or in the form that the API writes.
        """
        table = self.store[object_name]
        fields = table.object.by_key
        now = stamp(self.clock.now())
        author = self.integration_user.id
        basis: Row = {"IsDeleted": False} if table.object.has_bin else {}
        basis |= {f.key: f.spec.default for f in table.object.fields if f.spec.default is not None}
        if "OwnerId" in fields:
            basis["OwnerId"] = author
        numbers = {key for key, field in fields.items() if field.spec.kind in NUMBER_KINDS}
        ids: list[str] = []
        for record in records:
            row = basis.copy()
            for key, value in record.items():
                # most values are texts that are stored as they are
                if type(value) is str and key in fields and key not in numbers:
                    row[key] = value
                else:
                    row[key] = trusted(fields[key], value)
            if "Id" in row:
                self._minter.after(str(row["Id"]))
            else:
                row["Id"] = self._minter.mint(table.object.spec.prefix)
            created = row.get("CreatedDate") or now
            modified = row.get("LastModifiedDate") or created
            moments = (created, author, modified, author, modified)
            for key, value in zip(_SYSTEM_FIELDS, moments, strict=True):
                row.setdefault(key, value)
            self.writer.complete(table.object, row, self.integration_user)
            self.store.put(table, row)
            ids.append(str(row["Id"]))
        self._remember()
        return ids

    def create(
        self, object_name: str, record: Mapping[str, object], user: User | None = None
    ) -> str:
        """Make a record as a POST does: defaults, checks, triggers."""
        change = Change(
            "create", self.schema[object_name], body=self._api_names(object_name, record)
        )
        return self._apply(change, user)

    def update(
        self,
        object_name: str,
        record_id: str,
        changes: Mapping[str, object],
        user: User | None = None,
    ) -> None:
        """Change a record as a PATCH does."""
        body = self._api_names(object_name, changes)
        self._apply(Change("update", self.schema[object_name], record_id, body), user)

    def delete(self, object_name: str, record_id: str, user: User | None = None) -> None:
        """Move a record to the recycle bin as a DELETE does."""
        self._apply(Change("delete", self.schema[object_name], record_id), user)

    def activate(self, order_ids: Iterable[str]) -> None:
        """Draft to Activated, all in one call as a collection of PATCHes would."""
        changes = [
            Change("update", self.schema["Order"], order_id, {"Status": "Activated"})
            for order_id in order_ids
        ]
        outcomes = self.writer.apply(self.integration_user, changes, all_or_none=True)
        self._remember()
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error

    def _apply(self, change: Change, user: User | None) -> str:
        try:
            return self.writer.apply_or_raise(user or self.integration_user, change)
        finally:
            self._remember()

    def _api_names(self, object_name: str, record: Mapping[str, object]) -> dict[str, object]:
        fields = self.schema[object_name].by_key
        plain = {
            key: trusted_time(value) if isinstance(value, date) else value
            for key, value in record.items()
        }
        return {fields[key].name if key in fields else key: value for key, value in plain.items()}

    def get(self, object_name: str, record_id: str) -> Row | None:
        """A record under names without namespace, deleted or not."""
        row = self.store[object_name].rows.get(record_id)
        return None if row is None else dict(row)

    def all(self, object_name: str) -> list[Row]:
        """All undeleted records of an object."""
        return [dict(row) for row in self.store[object_name].live_rows()]

    def where(self, object_name: str, field: str, value: Scalar) -> list[Row]:
        """Undeleted records whose `field` holds `value`, found through an index."""
        return [dict(row) for row in self.store[object_name].where(field, value)]

    # faults

    def fault_response(self, kind: str) -> Response:
        """The answer of the real service to what went wrong."""
        if kind == "maintenance":
            page = "<html><head><title>Down for maintenance</title></head><body></body></html>"
            return HTMLResponse(page, 503)
        errors = {
            "session_expired": expired_session(),
            "request_limit": SalesforceError(
                "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403
            ),
            "row_locked": row_locked(self.org.switches),
            "server_error": SalesforceError(
                "UNKNOWN_EXCEPTION", "An unexpected error occurred.", status=500
            ),
        }
        reply = error_reply(errors[kind])
        headers = {"Sforce-Limit-Info": self.org.usage.header}
        return Response(reply.body, reply.status, headers, media_type="application/json")


def _table_name(key: str) -> str:
    return f"salesforce.{key}"


def _kept(value: Scalar) -> JsonValue:
    return str(value) if isinstance(value, Decimal) else value
