"""What a straightforward script does: one record after the other, each with calls of its own.

The measure that the pipeline's calls are compared with, not a part of it.
"""

from collections.abc import Iterator
from typing import cast

import requests
import stripe

from coupon_pipeline.sandbox.serving import Addresses

Row = dict[str, object]
SECONDS = 60


class Script:
    """Syncs the coupons of orders in the way in which such scripts are usually written."""

    def __init__(self, addresses: Addresses) -> None:
        self._salesforce = f"{addresses.salesforce_url}/services/data/v67.0"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {addresses.salesforce_access_token}"
        self._prefix = f"{addresses.salesforce_namespace}__"
        self._stripe = stripe.StripeClient(
            addresses.stripe_api_key, base_addresses={"api": addresses.stripe_url}
        )

    def sync(self) -> None:
        """All activated orders."""
        name = f"{self._prefix}Stripe_ID__c"
        for order in self._query(
            f"SELECT Id, SBQQ__Quote__c, {name} FROM Order WHERE StatusCode = 'Activated'"
        ):
            granted = [
                coupon_id
                for association in self._associations(str(order["SBQQ__Quote__c"]))
                for coupon_id in [self._coupon(association)]
            ]
            target = str(order[name])
            subscription = self._stripe.v1.subscriptions.retrieve(target)
            if granted and not subscription.discounts:
                self._stripe.v1.subscriptions.update(
                    target, {"discounts": [{"coupon": coupon_id} for coupon_id in granted]}
                )
            self._copy_ids(str(order["Id"]))

    def _associations(self, quote_id: str) -> Iterator[Row]:
        table, p = "Quote_Stripe_Coupon_Association__c", self._prefix
        yield from self._query(
            f"SELECT {p}Quote_Stripe_Coupon__c FROM {p}{table} WHERE {p}Quote__c = '{quote_id}'"
        )

    def _coupon(self, association: Row) -> str:
        """The Stripe coupon of a quote coupon: looked up, and made if it is not there."""
        p = self._prefix
        record = f"{p}Quote_Stripe_Coupon__c/{association[f'{p}Quote_Stripe_Coupon__c']}"
        coupon = self._get(f"sobjects/{record}")
        coupon_id = str(coupon["Id"]).lower()
        try:
            self._stripe.v1.coupons.retrieve(coupon_id)
        except stripe.InvalidRequestError:
            percent = cast("float", coupon[f"{p}Percent_Off__c"])
            self._stripe.v1.coupons.create(
                {"id": coupon_id, "percent_off": percent, "duration": "forever"}
            )
        self._set(record, coupon_id)
        return coupon_id

    def _copy_ids(self, order_id: str) -> None:
        p = self._prefix
        fields = f"Id, {p}Quote_Stripe_Coupon_Id__c"
        for copy in self._query(
            f"SELECT {fields} FROM {p}Order_Stripe_Coupon__c WHERE {p}Order__c = '{order_id}'"
        ):
            self._set(
                f"{p}Order_Stripe_Coupon__c/{copy['Id']}",
                str(copy[f"{p}Quote_Stripe_Coupon_Id__c"]).lower(),
            )

    def _query(self, soql: str) -> list[Row]:
        found: list[Row] = []
        page = self._get("query", q=soql)
        while True:
            found += cast("list[Row]", page["records"])
            if page["done"]:
                return found
            page = self._get(f"query/{str(page['nextRecordsUrl']).rpartition('/')[2]}")

    def _get(self, path: str, **parameters: str) -> Row:
        answer = self._session.get(f"{self._salesforce}/{path}", params=parameters, timeout=SECONDS)
        answer.raise_for_status()
        return cast("Row", answer.json())

    def _set(self, record: str, coupon_id: str) -> None:
        self._session.patch(
            f"{self._salesforce}/sobjects/{record}",
            json={f"{self._prefix}Stripe_ID__c": coupon_id},
            timeout=SECONDS,
        ).raise_for_status()
