"""Products, prices and tax rates (https://docs.stripe.com/api/products)."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.answers import (
    Answer,
    Call,
    Shown,
    all_of,
    created,
    equals,
    list_page,
)
from coupon_pipeline.sandbox.stripe.currencies import currency
from coupon_pipeline.sandbox.stripe.errors import (
    ConditionError,
    StripeError,
    exclusive_parameters,
    invalid,
    missing_parameter,
    not_implemented,
)
from coupon_pipeline.sandbox.stripe.metadata import merged
from coupon_pipeline.sandbox.stripe.store import StripeObject

PRODUCT_PLAIN = ("description", "statement_descriptor", "tax_code", "unit_label", "url")


def create_product(account: Account, call: Call) -> Answer:
    """Make a product, with its default price if one is described."""
    params = call.params
    product_id = params.get("id") or account.new_id("product")
    if account.store.get("product", product_id) is not None:
        raise ConditionError("Product already exists.", code="resource_already_exists", param="id")
    product: StripeObject = {
        "id": product_id,
        "object": "product",
        "active": params.get("active", True),
        "created": account.now(),
        "default_price": None,
        "images": params.get("images", []),
        "livemode": account.livemode,
        "marketing_features": params.get("marketing_features", []),
        "metadata": merged({}, params.get("metadata")),
        "name": params["name"],
        "package_dimensions": None,
        "shippable": params.get("shippable"),
        "type": params.get("type", "service"),
        "updated": account.now(),
    } | {name: params.get(name) for name in PRODUCT_PLAIN}
    account.store.add("product", product)
    if "default_price_data" in params:
        price = new_price(account, params["default_price_data"] | {"product": product_id})
        product["default_price"] = price["id"]
    return Shown("product", product)


def update_product(account: Account, call: Call) -> Answer:
    """Change what is given."""
    account.need("product", call.id)
    params = call.params
    if params.get("default_price"):
        account.need_given("price", params["default_price"], "default_price")
    product = account.store.edit("product", call.id)
    for name in ("active", "name", "default_price", "images", "shippable", *PRODUCT_PLAIN):
        if name in params:
            product[name] = params[name] if params[name] != "" else None
    if "marketing_features" in params:
        product["marketing_features"] = params["marketing_features"] or []
    product["images"] = product["images"] or []
    product["metadata"] = merged(product["metadata"], params.get("metadata"))
    product["updated"] = account.now()
    return Shown("product", product)


def retrieve_product(account: Account, call: Call) -> Answer:
    """One product."""
    return Shown("product", account.need("product", call.id))


def delete_product(account: Account, call: Call) -> Answer:
    """Delete a product that has no prices."""
    account.need("product", call.id)
    if account.store.having("price", "product", call.id):
        raise ConditionError(
            "This product cannot be deleted because it has one or more user-created prices."
        )
    account.store.remove("product", call.id)
    return Shown("product", {"id": call.id, "object": "product", "deleted": True})


def list_products(account: Account, call: Call) -> Answer:
    """All products, newest first."""
    params = call.params
    ids = set(params["ids"]) if "ids" in params else None
    wanted = all_of(
        created(params),
        equals(params, "active", "shippable", "url", "type"),
        None if ids is None else lambda thing: thing["id"] in ids,
    )
    return list_page(account, "product", call, "/v1/products", wanted)


def create_price(account: Account, call: Call) -> Answer:
    """Make a price of a product."""
    params = call.params
    if "product" in params and "product_data" in params:
        raise exclusive_parameters(["product", "product_data"])
    if "product_data" in params:
        made = create_product(account, Call(params["product_data"]))
        assert isinstance(made, Shown)
        params = params | {"product": made.thing["id"]}
    if "product" not in params:
        raise missing_parameter("product")
    return Shown("price", new_price(account, params))


def new_price(account: Account, params: dict[str, Any], path: str = "") -> StripeObject:
    """A stored price; also for `price_data` inside other requests, at `path`."""
    account.need_given("product", params["product"], _inner(path, "product"))
    money = currency(params["currency"], _inner(path, "currency"), account.switches)
    recurring = params.get("recurring")
    if recurring is not None:
        if recurring.get("usage_type") == "metered":
            raise not_implemented(_inner(path, "recurring[usage_type]"))
        recurring = {
            "interval": recurring["interval"],
            "interval_count": recurring.get("interval_count", 1),
            "meter": None,
            "trial_period_days": recurring.get("trial_period_days"),
            "usage_type": "licensed",
        }
        if recurring["interval_count"] < 1:
            raise invalid(
                "Invalid interval_count: must be at least 1.",
                _inner(path, "recurring[interval_count]"),
            )
    price: StripeObject = {
        "id": account.new_id("price"),
        "object": "price",
        "active": params.get("active", True),
        "billing_scheme": "per_unit",
        "created": account.now(),
        "currency": money.code,
        "currency_options": None,
        "custom_unit_amount": None,
        "livemode": account.livemode,
        "lookup_key": None,
        "metadata": merged({}, params.get("metadata")),
        "nickname": params.get("nickname"),
        "product": params["product"],
        "recurring": recurring,
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time" if recurring is None else "recurring",
    } | _amounts(params, path)
    price["currency_options"] = _price_options(account, price, params, path)
    _take_lookup_key(account, price, params)
    return account.store.add("price", price)


def update_price(account: Account, call: Call) -> Answer:
    """Change what may be changed of a price; its amount and interval may not."""
    account.need("price", call.id)
    price = account.store.edit("price", call.id)
    params = call.params
    for name in ("active", "nickname", "tax_behavior"):
        if name in params:
            price[name] = params[name]
    if params.get("currency_options"):
        price["currency_options"] = _price_options(account, price, params, "")
    price["metadata"] = merged(price["metadata"], params.get("metadata"))
    _take_lookup_key(account, price, params)
    return Shown("price", price)


def retrieve_price(account: Account, call: Call) -> Answer:
    """One price."""
    return Shown("price", account.need("price", call.id))


def list_prices(account: Account, call: Call) -> Answer:
    """Prices, newest first; of one product if one is named."""
    params = call.params
    keys = set(params["lookup_keys"]) if "lookup_keys" in params else None
    interval = params.get("recurring", {}).get("interval")
    wanted = all_of(
        created(params),
        equals(params, "active", "currency", "type"),
        None if keys is None else lambda thing: thing["lookup_key"] in keys,
        None
        if interval is None
        else lambda thing: (thing["recurring"] or {}).get("interval") == interval,
    )
    among = (
        account.store.having("price", "product", params["product"]) if "product" in params else None
    )
    return list_page(account, "price", call, "/v1/prices", wanted, among)


def create_tax_rate(account: Account, call: Call) -> Answer:
    """Make a tax rate; the sandbox carries tax rates along and computes no tax."""
    params = call.params
    percentage = float(params["percentage"])
    rate: StripeObject = {
        "id": account.new_id("tax_rate"),
        "object": "tax_rate",
        "active": params.get("active", True),
        "country": params.get("country"),
        "created": account.now(),
        "description": params.get("description"),
        "display_name": params["display_name"],
        "effective_percentage": percentage,
        "flat_amount": None,
        "inclusive": params["inclusive"],
        "jurisdiction": params.get("jurisdiction"),
        "jurisdiction_level": None,
        "livemode": account.livemode,
        "metadata": merged({}, params.get("metadata")),
        "percentage": percentage,
        "rate_type": "percentage",
        "state": params.get("state"),
        "tax_type": params.get("tax_type"),
    }
    return Shown("tax_rate", account.store.add("tax_rate", rate))


def retrieve_tax_rate(account: Account, call: Call) -> Answer:
    """One tax rate."""
    return Shown("tax_rate", account.need("tax_rate", call.id))


def list_tax_rates(account: Account, call: Call) -> Answer:
    """All tax rates, newest first."""
    wanted = all_of(created(call.params), equals(call.params, "active", "inclusive"))
    return list_page(account, "tax_rate", call, "/v1/tax_rates", wanted)


def check_tax_rates(
    account: Account, given: list[str] | str | None, param: str
) -> list[str] | None:
    """Ids of tax rates that exist; None for none given, an empty list for a blank."""
    if given is None:
        return None
    if isinstance(given, str):
        return []
    for position, rate_id in enumerate(given):
        account.need_given("tax_rate", rate_id, f"{param}[{position}]")
    return list(given)


def price_of(
    account: Account, params: dict[str, Any], path: str, known: Collection[str] = ()
) -> StripeObject | None:
    """The recurring price that `price`, `plan` or `price_data` names; None if none does.

    One that is no longer active is taken only where it is in use already (`known`).
    """
    given = [name for name in ("price", "plan", "price_data") if name in params]
    if not given:
        return None
    if len(given) > 1:
        raise exclusive_parameters([_inner(path, name) for name in given])
    (name,) = given
    if name == "price_data":
        price = new_price(account, params[name] | {"active": False}, _inner(path, name))
    else:
        price = account.need_given("price", params[name], _inner(path, name))
        if not price["active"] and price["id"] not in known:
            raise ConditionError(
                f"The price specified is inactive. This field only accepts active prices: "
                f"{price['id']}",
                param=_inner(path, name),
            )
    if price["type"] != "recurring":
        raise ConditionError(
            "The price specified is set to `type=one_time` but this field only accepts prices "
            "with `type=recurring`.",
            param=_inner(path, name),
        )
    return price


def _amounts(params: dict[str, Any], path: str) -> StripeObject:
    if "unit_amount" in params and "unit_amount_decimal" in params:
        raise exclusive_parameters(
            [_inner(path, "unit_amount"), _inner(path, "unit_amount_decimal")]
        )
    if "unit_amount" not in params and "unit_amount_decimal" not in params:
        raise StripeError(
            "Prices require an `unit_amount` or `unit_amount_decimal` parameter to be set.",
            code="parameter_missing",
            param=_inner(path, "unit_amount"),
        )
    name = "unit_amount" if "unit_amount" in params else "unit_amount_decimal"
    exact = Decimal(params[name])
    if exact < 0:
        raise invalid(
            "Invalid integer: this value must be greater than or equal to 0.",
            _inner(path, "unit_amount"),
            "parameter_invalid_integer",
        )
    whole = exact == exact.to_integral_value()
    return {
        "unit_amount": int(exact) if whole else None,
        "unit_amount_decimal": format(exact.normalize(), "f"),
    }


def _price_options(
    account: Account, price: StripeObject, params: dict[str, Any], path: str
) -> dict[str, StripeObject]:
    own = {
        "custom_unit_amount": None,
        "tax_behavior": price["tax_behavior"],
        "unit_amount": price["unit_amount"],
        "unit_amount_decimal": price["unit_amount_decimal"],
    }
    options = (price["currency_options"] or {}) | {price["currency"]: own}
    for code, option in (params.get("currency_options") or {}).items():
        param = _inner(path, f"currency_options[{code}]")
        money = currency(code, param, account.switches)
        tax = option.get("tax_behavior", "unspecified")
        options[money.code] = own | {"tax_behavior": tax} | _amounts(option, param)
    return options


def _take_lookup_key(account: Account, price: StripeObject, params: dict[str, Any]) -> None:
    key = params.get("lookup_key")
    if key is None:
        return
    for other in list(account.store.table("price").objects.values()):
        if other["lookup_key"] == key and other["id"] != price["id"]:
            if not params.get("transfer_lookup_key"):
                raise ConditionError(
                    f"A price (`{other['id']}`) already uses that lookup key.", param="lookup_key"
                )
            account.store.edit("price", other["id"])["lookup_key"] = None
    price["lookup_key"] = key


def _inner(path: str, name: str) -> str:
    if not path:
        return name
    head, bracket, rest = name.partition("[")
    return f"{path}[{head}]{bracket}{rest}"
