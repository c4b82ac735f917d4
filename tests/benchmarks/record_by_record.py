"""What a straightforward script does: one record after the other, each with calls of its own.

The measure that the pipeline's calls are compared with, not a part of it.
"""

from typing import Any, cast

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
        p = self._prefix
        for order in self._query(
            f"SELECT Id, SBQQ__Quote__c, {p}Stripe_ID__c FROM Order WHERE StatusCode = 'Activated'"
        ):
            order_id, target = str(order["Id"]), str(order[f"{p}Stripe_ID__c"])
            granted = self._granted(str(order["SBQQ__Quote__c"]), line=False)
            if granted:
                self._copy_ids(f"{p}Order__c = '{order_id}'")
            of_items = {}
            for item in self._query(
                f"SELECT Id, SBQQ__QuoteLine__c FROM OrderItem WHERE OrderId = '{order_id}'"
            ):
                item_id = str(item["Id"])
                of_items[item_id] = self._granted(str(item["SBQQ__QuoteLine__c"]), line=True)
                if of_items[item_id]:
                    self._copy_ids(f"{p}Order_Item__c = '{item_id}'")
            if granted or any(of_items.values()):
                self._attach(target, granted, of_items)

    def _attach(self, target: str, granted: list[str], of_items: dict[str, list[str]]) -> None:
        """Put the coupons on a subscription and its items that have none yet."""
        subscription = self._stripe.v1.subscriptions.retrieve(target)
        items = [
            {"id": item.id, "discounts": [{"coupon": c} for c in coupons]}
            for item in subscription["items"].data
            if (coupons := of_items.get(item.metadata["salesforce_order_item_id"]))
            and not item.discounts
        ]
        params: dict[str, object] = {"items": items} if items else {}
        if granted and not subscription.discounts:
            params["discounts"] = [{"coupon": coupon_id} for coupon_id in granted]
        if params:
            self._stripe.v1.subscriptions.update(target, cast("Any", params))

    def _granted(self, parent_id: str, *, line: bool) -> list[str]:
        """The Stripe coupons of a quote's or a quote line's associations."""
        p, kind = self._prefix, "Quote_Line" if line else "Quote"
        associations = self._query(
            f"SELECT {p}Quote_Stripe_Coupon__c FROM {p}{kind}_Stripe_Coupon_Association__c "
            f"WHERE {p}{kind}__c = '{parent_id}'"
        )
        return [self._coupon(str(each[f"{p}Quote_Stripe_Coupon__c"])) for each in associations]

    def _coupon(self, quote_coupon_id: str) -> str:
        """The Stripe coupon of a quote coupon: looked up, and made if it is not there."""
        p = self._prefix
        record = f"{p}Quote_Stripe_Coupon__c/{quote_coupon_id}"
        coupon = self._get(f"sobjects/{record}")
        coupon_id = quote_coupon_id.lower()
        try:
            self._stripe.v1.coupons.retrieve(coupon_id)
        except stripe.InvalidRequestError:
            percent = cast("float", coupon[f"{p}Percent_Off__c"])
            self._stripe.v1.coupons.create(
                {"id": coupon_id, "percent_off": percent, "duration": "forever"}
            )
        if coupon[f"{p}Stripe_ID__c"] != coupon_id:
            self._set(record, coupon_id)
        return coupon_id

    def _copy_ids(self, where: str) -> None:
        """Write the Stripe ids on the order coupons of an order or an order item."""
        p = self._prefix
        fields = f"Id, {p}Quote_Stripe_Coupon_Id__c, {p}Stripe_ID__c"
        for copy in self._query(f"SELECT {fields} FROM {p}Order_Stripe_Coupon__c WHERE {where}"):
            coupon_id = str(copy[f"{p}Quote_Stripe_Coupon_Id__c"]).lower()
            if copy[f"{p}Stripe_ID__c"] != coupon_id:
                self._set(f"{p}Order_Stripe_Coupon__c/{copy['Id']}", coupon_id)

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
