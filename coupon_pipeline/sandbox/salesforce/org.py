"""One org: its records and everything that works on them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.salesforce.bulk import QueryJobs
from coupon_pipeline.sandbox.salesforce.errors import not_found
from coupon_pipeline.sandbox.salesforce.ids import IdMinter
from coupon_pipeline.sandbox.salesforce.login import Sessions
from coupon_pipeline.sandbox.salesforce.queries import Queries
from coupon_pipeline.sandbox.salesforce.schema import ObjectType
from coupon_pipeline.sandbox.salesforce.soql.evaluate import View
from coupon_pipeline.sandbox.salesforce.store import Store
from coupon_pipeline.sandbox.salesforce.trigger import ActivationTrigger
from coupon_pipeline.sandbox.salesforce.users import User
from coupon_pipeline.sandbox.salesforce.writing import Writer
from coupon_pipeline.sandbox.switches import Switches


@dataclass(slots=True)
class ApiUsage:
    """How many requests of the day are used, and how many there are."""

    used: int = 0
    limit: int = 100_000

    @property
    def header(self) -> str:
        """The value of `Sforce-Limit-Info`."""
        return f"api-usage={self.used}/{self.limit}"


@dataclass(slots=True)
class Org:
    """What the endpoints work with."""

    org_id: str
    store: Store
    clock: Clock
    switches: Switches
    minter: IdMinter
    sessions: Sessions
    queries: Queries
    jobs: QueryJobs
    writer: Writer
    trigger: ActivationTrigger
    usage: ApiUsage
    my_domain: str
    """The host that the org answers on when it is called by a salesforce.com name."""
    async_jobs: dict[str, dict[str, object]] = field(default_factory=dict)
    """Jobs and batches of the first Bulk API, by id."""
    async_results: dict[str, str] = field(default_factory=dict)
    """Rows of a batch, as JSON."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is, and in which version of the API."""

    org: Org
    user: User
    version: str

    def view(self, *, include_deleted: bool = False) -> View:
        """What the caller's queries see."""
        return View(
            self.user.access,
            self.org.clock.now(),
            include_deleted=include_deleted,
            scattered=self.org.switches.salesforce_row_order == "scattered",
        )

    def object_named(self, name: str) -> ObjectType:
        """The object of an address; one that the user may not see does not exist."""
        found = self.org.store.schema.object_named(name)
        if found is None or not self.user.access.sees(found):
            raise not_found()
        return found

    def object_names(self) -> Sequence[str]:
        """The API names of the objects that the user sees."""
        objects = self.org.store.schema.objects.values()
        return [o.name for o in objects if self.user.access.sees(o)]
