"""Stripe's side for people, at the addresses of its dashboard with or without `/test`.

Addresses: `/coupons/{id}`, `/subscriptions/{id}`, `/subscription_schedules/{id}`,
`/customers/{id}`, `/invoices/{id}`; lists without the id. A leading `/acct_...` is accepted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from coupon_pipeline.sandbox.pages.controls import CONTROL_MENU, control_routes
from coupon_pipeline.sandbox.pages.stripe_cells import (
    SECTIONS,
    Cells,
    metadata_cell,
    name_of,
    status_cell,
    title_of,
)
from coupon_pipeline.sandbox.pages.stripe_objects import Descriptions
from coupon_pipeline.sandbox.pages.view import (
    Cell,
    Facts,
    Frame,
    Page,
    Paging,
    Section,
    Table,
    render,
)
from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.rendering import shown
from coupon_pipeline.sandbox.stripe.store import StripeObject

if TYPE_CHECKING:  # the sandbox serves this module
    from coupon_pipeline.sandbox.serving import Sandbox

LATEST: Final = 10


def stripe_pages(sandbox: "Sandbox") -> ASGIApp:
    """All pages of the account."""
    site = _Site(sandbox)
    return Starlette(
        routes=[
            Route("/", site.home),
            *control_routes(sandbox, "stripe", site.frame),
            Route("/{path:path}", site.resource),
        ],
        exception_handlers={404: site.not_found},
    )


@dataclass(frozen=True)
class _Site:
    sandbox: "Sandbox"

    @property
    def _account(self) -> Account:
        return self.sandbox.stripe.account

    @property
    def _cells(self) -> Cells:
        return Cells(self._account, self.sandbox.addresses.salesforce_url)

    def frame(self, request: Request) -> Frame:
        """Header and footer."""
        menu = [Cell(title_of(section), f"/test/{section}") for section in SECTIONS]
        return Frame(
            "stripe",
            "Stripe",
            [Cell("Home", "/"), *menu, *CONTROL_MENU],
            f"{self.sandbox.clock.now():%Y-%m-%d %H:%M:%S} UTC",
            request.url.path,
        )

    async def not_found(self, request: Request, _error: Exception) -> Response:
        """A page that says so."""
        page = Page("No such page", lead="There is nothing at this address.", status=404)
        return render(page, self.frame(request))

    async def home(self, request: Request) -> Response:
        """How many objects there are, and the latest subscriptions and coupons."""
        store = self._account.store
        counts = [
            (
                Cell(title_of(section), f"/test/{section}"),
                Cell(f"{store.count(kind):,}", number=True),
            )
            for section, kind in SECTIONS.items()
        ]
        page = Page(
            "The company's account",
            kicker=f"Account {self._account.account_id}, test mode",
            sections=(
                self._cells.table("coupon", self._newest("coupon", LATEST), "Latest coupons"),
                self._cells.table(
                    "subscription", self._newest("subscription", LATEST), "Latest subscriptions"
                ),
                Table(
                    "Objects",
                    "Kinds of objects and how many there are of each",
                    ("Kind", "Objects"),
                    counts,
                ),
            ),
        )
        return render(page, self.frame(request))

    async def resource(self, request: Request) -> Response:
        """A list, or one object with what belongs to it."""
        match [part for part in request.url.path.split("/") if part]:
            case [account, *rest] if account.startswith("acct_"):
                parts = rest
            case parts:
                pass
        if parts[:1] == ["test"]:
            parts = parts[1:]
        page = None
        if len(parts) == 1 and parts[0] in SECTIONS:
            page = self._list(parts[0], request.query_params.get("page"))
        elif len(parts) == 2 and parts[0] in SECTIONS:  # noqa: PLR2004 - section and id
            page = self._object(SECTIONS[parts[0]], parts[1])
        if page is None:
            return await self.not_found(request, LookupError())
        return render(page, self.frame(request))

    def _list(self, section: str, wanted: str | None) -> Page:
        kind = SECTIONS[section]
        paging = Paging.of(self._account.store.count(kind), wanted, f"/test/{section}")
        rows = self._newest(kind, paging.rows.stop)[paging.rows]
        table = self._cells.table(kind, rows, title_of(section), paging)
        return Page(title_of(section), sections=(table,))

    def _newest(self, kind: str, most: int) -> list[StripeObject]:
        return list(islice(self._account.store.older(kind), most))

    def _object(self, kind: str, object_id: str) -> Page | None:
        thing = self._account.store.get(kind, object_id)
        if thing is None:
            return None
        section = next(word for word, one in SECTIONS.items() if one == kind)
        return Page(
            name_of(thing),
            kicker=kind.replace("_", " ").capitalize(),
            badge=self._badge(kind, thing),
            trail=(
                Cell("Home", "/"),
                Cell(title_of(section), f"/test/{section}"),
                Cell(object_id, code=True),
            ),
            sections=list(self._sections(kind, thing)),
        )

    def _sections(self, kind: str, thing: StripeObject) -> Iterable[Section]:
        descriptions = Descriptions(self._cells, self.sandbox.stripe.preview_invoice)
        describe = {
            "coupon": descriptions.coupon,
            "subscription": descriptions.subscription,
            "subscription_schedule": descriptions.schedule,
            "customer": descriptions.customer,
            "invoice": descriptions.invoice,
            "product": descriptions.product,
        }
        yield from describe[kind](thing)
        metadata = thing.get("metadata") or {}
        if metadata:
            yield Facts("Metadata", [(key, metadata_cell(metadata[key])) for key in metadata])

    def _badge(self, kind: str, thing: StripeObject) -> Cell | None:
        if thing.get("deleted"):
            return Cell("deleted", tone="warn")
        if kind == "coupon":
            valid = shown(self._account, kind, thing)["valid"]
            return status_cell("valid" if valid else "not valid")
        return status_cell(thing["status"]) if "status" in thing else None
