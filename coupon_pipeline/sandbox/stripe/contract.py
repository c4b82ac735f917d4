"""What each endpoint takes, read from the parameter types of the installed Stripe SDK.

Only names and types are taken, with `ast`; nothing of the SDK is imported or run. So the
sandbox is as strict as the pinned SDK, and an upgrade of it changes what is accepted.
"""

import ast
import importlib.util
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

SCALARS: Final = {
    "str": "string",
    "int": "integer",
    "float": "decimal",
    "Decimal": "decimal_text",
    "bool": "boolean",
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, integer, decimal or boolean."""

    kind: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few texts; `""` alone is a blank that clears."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list."""

    item: "Type"


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map with free keys."""

    value: "Type"


@dataclass(slots=True)
class Shape:
    """A hash with known keys."""

    name: str
    fields: dict[str, "Type"] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Either:
    """Any of several types."""

    options: tuple["Type", ...]


Type: TypeAlias = Scalar | OneOf | ListOf | MapOf | Shape | Either
NOTHING: Final = Shape("nothing")


@cache
def sdk_folder() -> Path:
    """Where the SDK is installed."""
    spec = importlib.util.find_spec("stripe")
    if spec is None or spec.origin is None:
        raise RuntimeError("The package `stripe` is not installed; the sandbox reads its types.")
    return Path(spec.origin).parent


@cache
def api_version() -> str:
    """The API version that the installed SDK pins."""
    text = (sdk_folder() / "_api_version.py").read_text(encoding="utf-8")
    found = re.search(r'CURRENT = "([^"]+)"', text)
    if found is None:
        raise RuntimeError("The installed `stripe` package does not tell its API version.")
    return found[1]


@cache
def parameters(module: str) -> Shape:
    """The parameters of one endpoint; `module` as in `coupon_create`.

    A module is read when its endpoint is first called: all of them take longer than a
    sandbox may take to start.
    """
    folder, _, name = module.rpartition("/")
    path = sdk_folder() / "params" / folder / f"_{name}_params.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    top = "".join(word.capitalize() for word in name.split("_")) + "Params"
    return _Reader(classes).shape(top)


class _Reader:
    """Types of one module, each class once."""

    def __init__(self, classes: dict[str, ast.ClassDef]) -> None:
        self._classes = classes
        self._shapes: dict[str, Shape] = {}

    def shape(self, name: str) -> Shape:
        known = self._shapes.get(name)
        if known is not None:
            return known
        shape = self._shapes[name] = Shape(name)
        for statement in self._classes[name].body:
            if not isinstance(statement, ast.AnnAssign):
                continue
            if not isinstance(statement.target, ast.Name):
                continue
            key = statement.target.id
            shape.fields[key] = self._type(statement.annotation)
            if not _is_optional(statement.annotation):
                shape.required.append(key)
        return shape

    def _type(self, node: ast.expr) -> Type:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._type(ast.parse(node.value, mode="eval").body)
        if isinstance(node, ast.BinOp):
            return _either([self._type(node.left), self._type(node.right)])
        if isinstance(node, ast.Subscript):
            return self._generic(node)
        if isinstance(node, ast.Name):
            if node.id in SCALARS:
                return Scalar(SCALARS[node.id])
            return self.shape(node.id)
        raise TypeError(f"The sandbox cannot read the type {ast.unparse(node)}.")

    def _generic(self, node: ast.Subscript) -> Type:
        head = ast.unparse(node.value)
        arguments = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if head == "NotRequired":
            return self._type(arguments[0])
        if head == "Union":
            return _either([self._type(argument) for argument in arguments])
        if head == "List":
            return ListOf(self._type(arguments[0]))
        if head in {"Dict", "UntypedStripeObject"}:
            return MapOf(self._type(arguments[-1]))
        if head == "Literal":
            values = [
                argument.value for argument in arguments if isinstance(argument, ast.Constant)
            ]
            return OneOf(tuple(str(value) for value in values))
        raise TypeError(f"The sandbox cannot read the type {ast.unparse(node)}.")


def _is_optional(annotation: ast.expr) -> bool:
    return isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "NotRequired"


def _either(types: list[Type]) -> Type:
    """Join alternatives; the SDK's open `Literal[...] | str` becomes a closed choice."""
    flat: list[Type] = []
    for one in types:
        flat.extend(one.options if isinstance(one, Either) else [one])
    choice = any(isinstance(one, OneOf) and one.values != ("",) for one in flat)
    unique: list[Type] = []
    for one in flat:
        if one not in unique and not (choice and one == Scalar("string")):
            unique.append(one)
    return unique[0] if len(unique) == 1 else Either(tuple(unique))
