"""The whole Salesforce edge behind one object."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from coupon_pipeline.domain.diagnosis import Diagnosis
from coupon_pipeline.domain.mapping import CouponMapping
from coupon_pipeline.domain.mapping_check import DescribedObject, fields_read
from coupon_pipeline.domain.rates import ConversionRates
from coupon_pipeline.domain.records import CouponVersion, Scalar, Selection
from coupon_pipeline.salesforce.changes import (
    ChangeCursor,
    ChangedCoupon,
    ChangedOrder,
    ChangeReader,
    ChangesRead,
)
from coupon_pipeline.salesforce.describing import (
    Description,
    Org,
    OrgObject,
    Survey,
    describe,
    survey,
)
from coupon_pipeline.salesforce.errors import SalesforceError
from coupon_pipeline.salesforce.examination import (
    Examination,
    Wanted,
    examine,
    missing_access,
)
from coupon_pipeline.salesforce.logins import Login
from coupon_pipeline.salesforce.mapped_objects import describe_for_mapping
from coupon_pipeline.salesforce.names import Names
from coupon_pipeline.salesforce.needs import WriteKind
from coupon_pipeline.salesforce.permission_set import grants, permission_set_xml
from coupon_pipeline.salesforce.rates import read_rates
from coupon_pipeline.salesforce.reading import JunctionsRead, OrdersRead, Reader
from coupon_pipeline.salesforce.session import Pacing, connect
from coupon_pipeline.salesforce.sync_records import ToldRecord, read_sync_records
from coupon_pipeline.salesforce.transport import Quota, Timeouts
from coupon_pipeline.salesforce.write_back import RowResult, Writer


class SalesforceEdge:
    """Reads from and writes to one org. Opens nothing until first use; safe to use from threads.

    What the org is and which fields are readable is asked once and kept.
    """

    def __init__(
        self,
        instance_url: str,
        login: Login,
        *,
        namespace: str,
        api_version: str,
        timeouts: Timeouts | None = None,
        pacing: Pacing | None = None,
        pause: Callable[[float], None] | None = None,
        quota_share: Decimal | None = None,
    ) -> None:
        pacing = pacing or Pacing()
        self._names = Names(namespace)
        self._session = connect(
            instance_url,
            login,
            api_version,
            timeouts=timeouts,
            pacing=pacing if pause is None else replace(pacing, pause=pause),
            quota_share=quota_share,
        )
        self._lock = threading.Lock()
        self._description: Description | None = None

    @property
    def calls(self) -> int:
        """Requests sent so far, logins and repeated attempts included."""
        return self._session.calls

    @property
    def quota(self) -> Quota | None:
        """The org's request quota as the last answer told it."""
        return self._session.quota

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def describe(self) -> Description:
        """The org and its objects; refuses when something that is needed cannot be read."""
        with self._lock:
            if self._description is None:
                self._description = describe(self._session, self._names)
            return self._description

    def examine(self, wanted: Wanted) -> Examination:
        """Whether the org is ready, asked without writing; nothing is raised."""
        return examine(self._session, self._names, wanted)

    def missing_access(self, write_back: Sequence[WriteKind]) -> tuple[Diagnosis, ...]:
        """The failed lines of `examine` about objects and fields; no request where they are known.

        Raises:
            SalesforceError: something without which nothing works cannot be read.
        """
        found = self.describe()
        return missing_access(Survey(found.org, found.objects, {}), self._names, write_back)

    def permission_set(
        self, write_back: Collection[WriteKind], mapping: CouponMapping
    ) -> tuple[str, SalesforceError | None]:
        """The permission set that the user needs, and why the org could not be asked for its part.

        Without the org it holds what the package is known to have.
        """
        described: Mapping[str, OrgObject] = {}
        mapped = fields_read(mapping, {})
        fault: SalesforceError | None = None
        try:
            described = survey(self._session, self._names).objects
            mapped = fields_read(mapping, self.describe_for_mapping(mapping))
        except SalesforceError as error:
            fault = error
        granted = grants(self._names, write_back, mapped, described)
        return permission_set_xml(granted), fault

    def read_org(self) -> Org:
        """The org, as it tells of itself."""
        return self.describe().org

    def describe_for_mapping(self, mapping: CouponMapping) -> dict[str, DescribedObject]:
        """What `check_against` needs to know: the quote coupon and the objects that paths lead to.

        One request for each relationship that the longest path follows; none without such paths.
        """
        return describe_for_mapping(self._session, self._names, self.describe(), mapping)

    def read_orders(self, selection: Selection) -> Iterator[OrdersRead]:
        """Activated orders of the selection and their items, page by page."""
        return self._reader().orders(selection)

    def read_junctions(
        self, selection: Selection, changed_since: datetime | None, paths: Iterable[str]
    ) -> Iterator[JunctionsRead]:
        """Associations and order coupons of the selection, and the quote coupons that changed.

        `paths` are the mapping's, without namespace; `changed_since` is the last watermark, or
        `None` to read every quote coupon.
        """
        return self._reader().junctions(selection, changed_since, paths)

    def read_quote_coupons(
        self, quote_coupon_ids: Sequence[str], paths: Iterable[str]
    ) -> tuple[CouponVersion, ...]:
        """Quote coupons by id, deleted ones too; those that are gone are left out."""
        return self._reader().quote_coupons(quote_coupon_ids, paths)

    def read_order_days(self, order_ids: Sequence[str]) -> dict[str, date]:
        """The UTC days on which these orders were activated; others are left out."""
        return self._reader().order_days(order_ids)

    def activation_range(self) -> tuple[date, date] | None:
        """The UTC days on which the first and the last order were activated."""
        return self._reader().activation_range()

    def read_changed_orders(
        self, after: ChangeCursor | None, limit: int = 2000
    ) -> ChangesRead[ChangedOrder]:
        """Activated orders that changed behind a position in the sequence of changes."""
        return self._change_reader().orders(after, limit)

    def read_changed_coupons(
        self, after: ChangeCursor | None, paths: Iterable[str], limit: int = 2000
    ) -> ChangesRead[ChangedCoupon]:
        """Quote coupons that changed behind a position, as they are now, deleted ones too."""
        return self._change_reader().coupons(after, limit, paths)

    def read_rates(self, days: Iterable[date], today: date) -> dict[date, ConversionRates]:
        """The org's conversion rates on each day; empty in an org with a single currency."""
        if not self.read_org().is_multi_currency:
            return {}
        return read_rates(self._session, days, today)

    def read_sync_records(self) -> list[ToldRecord]:
        """The sync records about quote coupons."""
        return read_sync_records(self._session, self.describe())

    def update_records(
        self, object_name: str, rows: Sequence[tuple[str, Mapping[str, Scalar]]]
    ) -> tuple[RowResult, ...]:
        """Set fields of existing records: id and fields for each."""
        return Writer(self._session, self._names).update(object_name, rows)

    def create_records(
        self, object_name: str, rows: Sequence[Mapping[str, Scalar]]
    ) -> tuple[RowResult, ...]:
        """Create records; a row whose answer was lost is `UNKNOWN` and not sent again."""
        return Writer(self._session, self._names).create(object_name, rows)

    def upsert_records(
        self, object_name: str, rows: Sequence[Mapping[str, Scalar]]
    ) -> tuple[RowResult, ...]:
        """Create or update sync records by their compound id."""
        return Writer(self._session, self._names).upsert(object_name, rows)

    def _change_reader(self) -> ChangeReader:
        return ChangeReader(self._session, self._names, self.describe())

    def _reader(self) -> Reader:
        return Reader(self._session, self._names, self.describe())
