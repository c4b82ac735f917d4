"""What the installed Stripe SDK's own types say about requests and responses.

JSON Schemas are derived from the type declarations (nothing of the SDK is run): requests are
closed at every level, responses are open and need every member that is not Optional. So an
upgrade of the SDK shows what it changes, for what the pipeline sends and what the sandbox says.
"""

import ast
import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator

Schema: TypeAlias = dict[str, Any]

SCALARS: Final = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "Decimal": "number",
}
DECIMAL_TEXTS: Final = frozenset(
    {"amount_decimal", "flat_amount_decimal", "quantity_decimal", "unit_amount_decimal"}
)
"""Numbers in the types, texts on the wire."""
RESOURCES: Final = {
    "account": ("_account", "Account"),
    "balance": ("_balance", "Balance"),
    "coupon": ("_coupon", "Coupon"),
    "customer": ("_customer", "Customer"),
    "discount": ("_discount", "Discount"),
    "event": ("_event", "Event"),
    "invoice": ("_invoice", "Invoice"),
    "line_item": ("_invoice_line_item", "InvoiceLineItem"),
    "plan": ("_plan", "Plan"),
    "price": ("_price", "Price"),
    "product": ("_product", "Product"),
    "promotion_code": ("_promotion_code", "PromotionCode"),
    "subscription": ("_subscription", "Subscription"),
    "subscription_item": ("_subscription_item", "SubscriptionItem"),
    "subscription_schedule": ("_subscription_schedule", "SubscriptionSchedule"),
    "tax_rate": ("_tax_rate", "TaxRate"),
    "test_helpers.test_clock": ("test_helpers/_test_clock", "TestClock"),
}
PLURALS: Final = {
    "coupons": "coupon",
    "customers": "customer",
    "events": "event",
    "prices": "price",
    "products": "product",
    "promotion_codes": "promotion_code",
    "subscription_items": "subscription_item",
    "subscription_schedules": "subscription_schedule",
    "subscriptions": "subscription",
    "tax_rates": "tax_rate",
    "invoices": "invoice",
}
ACTIONS: Final = {"cancel", "create_preview", "release", "search"}


def validate_request(method: str, path: str, form_body: str) -> list[str]:
    """What is wrong with a request as sent: `path` is /v1/..., `form_body` body or query."""
    module = _request_module(method, path)
    if module is None:
        return [f"{method} {path}: no such endpoint in the SDK's types that are known here"]
    schema = request_schema(module)
    form: Schema = {}
    for key, value in parse_qsl(form_body, keep_blank_values=True):
        _put(form, [part.rstrip("]") for part in key.split("[")], value)
    typed = _typed(form, {"$ref": schema["$ref"]}, schema["$defs"])
    return _faults(schema, typed)


def validate_response(resource: str, thing: Any) -> list[str]:
    """What is wrong with an answer: `resource` is the value of its `object`, or `list`."""
    if resource in {"list", "search_result"}:
        return [fault for one in thing["data"] for fault in validate_response(one["object"], one)]
    if thing.get("deleted"):
        return [] if set(thing) >= {"id", "object"} else [f"{resource}: a tombstone has an id"]
    faults = [
        f"{resource}{fault[1:]}" for fault in _faults(response_schema(resource), _numbers(thing))
    ]
    for inner in _inside(thing):
        if inner.get("object") in RESOURCES:
            faults += validate_response(inner["object"], inner)
        elif inner.get("object") == "list":
            faults += validate_response("list", inner)
    return faults


@cache
def request_schema(module: str) -> Schema:
    """The closed schema of one endpoint's parameters; `module` as in `coupon_create`."""
    folder, _, name = module.rpartition("/")
    top = "".join(word.capitalize() for word in name.split("_")) + "Params"
    return _schema(_sdk() / "params" / folder / f"_{name}_params.py", top, closed=True)


@cache
def response_schema(resource: str) -> Schema:
    """The open schema of one kind of object."""
    module, top = RESOURCES[resource]
    return _schema(_sdk() / f"{module}.py", top, closed=False)


@cache
def _sdk() -> Path:
    spec = importlib.util.find_spec("stripe")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _request_module(method: str, path: str) -> str | None:
    parts = path.split("/")[2:]
    if parts in (["account"], ["balance"]):
        return {"account": "account_retrieve_current", "balance": "balance_retrieve"}[parts[0]]
    kind = PLURALS.get(parts[0])
    verb = "delete_discount" if parts[2:] == ["discount"] else None
    if len(parts) > 1 and parts[-1] in ACTIONS:
        verb = parts[-1]
    if verb is None:
        verb = {
            ("GET", 1): "list",
            ("GET", 2): "retrieve",
            ("POST", 1): "create",
            ("POST", 2): "update",
            ("DELETE", 2): "cancel" if kind == "subscription" else "delete",
        }.get((method, len(parts)))
    return None if kind is None or verb is None else f"{kind}_{verb}"


def _schema(path: Path, top: str, *, closed: bool) -> Schema:
    classes = _classes(ast.parse(path.read_text(encoding="utf-8")))
    reader = _Types(classes)
    definitions: Schema = {}
    for name, node in classes.items():
        if name.startswith(top):
            definitions[name] = reader.definition(name, node, closed=closed)
    return {"$ref": f"#/$defs/{top}", "$defs": definitions}


def _classes(tree: ast.Module) -> dict[str, ast.ClassDef]:
    found: dict[str, ast.ClassDef] = {}

    def walk(body: list[ast.stmt], scope: list[str]) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef):
                found[".".join([*scope, node.name])] = node
                walk(node.body, [*scope, node.name])

    walk(tree.body, [])
    return found


@dataclass(frozen=True)
class _Types:
    classes: dict[str, ast.ClassDef]

    def definition(self, name: str, node: ast.ClassDef, *, closed: bool) -> Schema:
        properties: Schema = {}
        required: list[str] = []
        for statement in node.body:
            if not isinstance(statement, ast.AnnAssign) or not isinstance(
                statement.target, ast.Name
            ):
                continue
            member = statement.target.id
            if member == "OBJECT_NAME" or member.startswith("_"):
                continue
            properties[member] = self.type(statement.annotation, name.split("."))
            optional = ("NotRequired", "Optional")
            if not ast.unparse(statement.annotation).startswith(optional):
                required.append(member)
        schema: Schema = {"type": "object", "properties": properties, "required": required}
        if closed:
            schema["additionalProperties"] = False
        return schema

    def type(self, node: ast.expr, scope: list[str]) -> Schema:
        match node:
            case ast.Constant(value=str(quoted)):
                found = self.type(ast.parse(quoted, mode="eval").body, scope)
            case ast.BinOp(left=left, right=right):
                found = _union([self.type(left, scope), self.type(right, scope)])
            case ast.Subscript():
                found = self.generic(node, scope)
            case ast.Name(id=name):
                found = self.named(name, scope)
            case _:
                found = {}
        return found

    def generic(self, node: ast.Subscript, scope: list[str]) -> Schema:
        head = ast.unparse(node.value)
        arguments = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if head == "Literal":
            return {"enum": [one.value for one in arguments if isinstance(one, ast.Constant)]}
        types = [self.type(one, scope) for one in arguments]
        needed = ["object", "data", "has_more", "url"]
        members = {"object": {"const": "list"}, "data": {"type": "array"}}
        known: dict[str, Schema] = {
            "NotRequired": types[0],
            "ClassVar": types[0],
            "Optional": _union([types[0], {"type": "null"}]),
            "Union": _union(types),
            "List": {"type": "array", "items": types[0]},
            "ExpandableField": _union([{"type": "string"}, types[0]]),
            "ListObject": {"type": "object", "required": needed, "properties": members},
        }
        return known.get(head, {"type": "object", "additionalProperties": types[-1]})

    def named(self, name: str, scope: list[str]) -> Schema:
        if name in SCALARS:
            return {"type": SCALARS[name]}
        if name == "Any":
            return {}
        for depth in range(len(scope), -1, -1):  # the innermost class of that name is meant
            dotted = ".".join([*scope[:depth], name])
            if dotted in self.classes:
                return {"$ref": f"#/$defs/{dotted}"}
        return {"type": "object"}  # another resource, which is checked by itself


def _union(schemas: list[Schema]) -> Schema:
    """Alternatives; a plain text beside a choice is dropped, so that the choice is closed."""
    flat: list[Schema] = []
    for schema in schemas:
        flat += schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
    if any(schema.get("enum", [""]) != [""] for schema in flat):
        flat = [schema for schema in flat if schema != {"type": "string"}]
    unique = [schema for place, schema in enumerate(flat) if schema not in flat[:place]]
    return unique[0] if len(unique) == 1 else {"anyOf": unique}


def _faults(schema: Schema, thing: Any) -> list[str]:
    validator = Draft202012Validator(schema)
    return [f"{fault.json_path}: {fault.message[:300]}" for fault in validator.iter_errors(thing)]


def _put(form: Schema, path: list[str], value: str) -> None:
    for part in path[:-1]:
        form = form.setdefault(part, {})
    form[path[-1]] = value


def _typed(value: Any, schema: Schema, definitions: Schema) -> Any:
    """Texts of a form as what the schema says; what cannot be is left, and fails later."""
    if "$ref" in schema:
        return _typed(value, definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    for option in schema.get("anyOf", ()):
        typed = _typed(value, option, definitions)
        if Draft202012Validator({**option, "$defs": definitions}).is_valid(typed):
            return typed
    if isinstance(value, dict):
        return _typed_members(value, schema, definitions)
    return _scalar(value, str(schema.get("type")))


def _scalar(text: str, kind: str) -> Any:
    if kind == "boolean" and text in {"true", "false"}:
        return text == "true"
    if kind == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if kind == "number" and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    return text


def _typed_members(value: Schema, schema: Schema, definitions: Schema) -> Any:
    if schema.get("type") == "array":
        if not all(key.isdigit() for key in value):
            return value
        return [_typed(value[key], schema["items"], definitions) for key in sorted(value, key=int)]
    members = schema.get("properties", {})
    other = schema.get("additionalProperties") or {}
    return {key: _typed(one, members.get(key, other), definitions) for key, one in value.items()}


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: float(one) if key in DECIMAL_TEXTS and isinstance(one, str) else _numbers(one)
            for key, one in value.items()
        }
    return [_numbers(one) for one in value] if isinstance(value, list) else value


def _inside(thing: Any) -> list[Schema]:
    """Objects with an `object` of their own anywhere inside a value, outermost first."""
    found: list[Schema] = []
    for one in thing.values() if isinstance(thing, dict) else thing:
        if isinstance(one, dict) and isinstance(one.get("object"), str):
            found.append(one)
        elif isinstance(one, dict | list):
            found += _inside(one)
    return found
