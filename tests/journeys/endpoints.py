"""The API as its own description has it: every operation with a request that is right, made of the examples, and its fields."""

import copy
import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from apps.core.api.schema import describe_api

#: The signature is the credential there; its bodies have tests of their own.
WEBHOOK = "/api/v1/webhooks/razorpay"
_ID = re.compile(r"^([a-z]+)_[0-9a-z]{26}$")
#: Where the example cannot be right for the objects of a test.
_OURS: dict[str, dict[str, Any]] = {
    "create_variant": {"sku": "FUZZ-0001"},
    "start_payment": {},
}


@dataclass(frozen=True)
class Field:
    """One field of a body: where it is, of what type, and whether it is an id."""

    path: tuple[str | int, ...]
    type: str
    is_id: bool = False
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return ".".join(str(part) for part in self.path)


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    name: str
    method: str
    path: str
    is_open: bool
    body: dict[str, Any] | None
    queries: tuple[str, ...]
    fields: tuple[Field, ...] = field(default=())

    def __str__(self) -> str:
        return self.name


@functools.cache
def operations() -> tuple[Operation, ...]:
    """Return every operation under /api/v1."""
    found = []
    for path, item in describe_api()["paths"].items():
        for method, told in item.items():
            shape, body = _body_of(told)
            fields = tuple(_fields(shape, body)) if shape else ()
            queries = tuple(each["name"] for each in told.get("parameters", []) if each["in"] == "query")
            is_open = {} in told.get("security", [{}])
            found.append(Operation(told["operationId"], method.upper(), path, is_open, body, queries, fields))
    return tuple(found)


def _body_of(told: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    content = told.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None, None
    examples = [each["value"] for each in content.get("examples", {}).values()]
    return _resolved(content["schema"]), {**(examples[0] if examples else {}), **_OURS.get(told["operationId"], {})}


def _resolved(shape: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in shape or "allOf" in shape:
        inner = shape.get("$ref") or shape["allOf"][0]["$ref"]
        shape = describe_api()["components"]["schemas"][inner.rsplit("/", 1)[1]]
    return shape


def _fields(shape: dict[str, Any], example: Any, path: tuple[str | int, ...] = ()) -> Iterator[Field]:
    for name, declared in shape.get("properties", {}).items():
        inner = _resolved(declared["oneOf"][0] if "oneOf" in declared else declared)
        kind = inner.get("type", "string")
        value = example.get(name) if isinstance(example, dict) else None
        is_id = (isinstance(value, str) and bool(_ID.match(value))) or (
            name.endswith("_id") and name != "gateway_payment_id"
        )
        is_id = is_id and not name.startswith("gateway_")
        yield Field((*path, name), kind, is_id, tuple(inner.get("enum", ())))
        if kind == "array":
            first = value[0] if isinstance(value, list) and value else None
            yield from _fields(_resolved(inner["items"]), first, (*path, name, 0))


def with_ids(value: Any, things: dict[str, str]) -> Any:
    """Return an example with the ids of objects that are there; `things` maps prefixes to ids."""
    if isinstance(value, dict):
        return {name: with_ids(inner, things) for name, inner in value.items()}
    if isinstance(value, list):
        return [with_ids(inner, things) for inner in value]
    found = _ID.match(value) if isinstance(value, str) else None
    return things.get(found[1], value) if found else value


def filled(path: str, things: dict[str, str]) -> str:
    """Return a path with the ids of objects that are there; `things` maps the names of parameters to ids."""
    return re.sub(r"{(\w+)}", lambda found: things[found[1]], path)


def changed(body: dict[str, Any], where: Field, value: Any) -> dict[str, Any]:
    """Return a body with one field set to something else."""
    result = copy.deepcopy(body)
    inner: Any = result
    for part in where.path[:-1]:
        inner = inner[part]
    inner[where.path[-1]] = value
    return result


def as_json(value: Any) -> bytes:
    """Return JSON with every character written out, as a careless client would send it."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
