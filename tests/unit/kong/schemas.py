"""Judges a rendered configuration as Kong would: fields, types and values by what Kong publishes of its schemas."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "set": list,
    "map": dict,
    "record": dict,
}
_NAMES = {"name": "string", "tags": "set"}
# kong/db/schema/entities/*.lua of 3.9.1, as far as they are used.
ENTITIES: dict[str, dict[str, str]] = {
    "service": {
        **_NAMES,
        "url": "string",
        "connect_timeout": "integer",
        "read_timeout": "integer",
        "write_timeout": "integer",
        "retries": "integer",
        "routes": "array",
        "plugins": "array",
    },
    "route": {
        **_NAMES,
        "protocols": "set",
        "methods": "set",
        "paths": "array",
        "regex_priority": "integer",
        "strip_path": "boolean",
        "preserve_host": "boolean",
        "request_buffering": "boolean",
        "response_buffering": "boolean",
        "plugins": "array",
    },
    "consumer": {
        "username": "string",
        "custom_id": "string",
        "tags": "set",
        "keyauth_credentials": "array",
        "acls": "array",
        "plugins": "array",
    },
    "plugin": {**_NAMES, "config": "record"},
    "keyauth_credential": {"key": "string", "tags": "set"},
    "acl": {"group": "string", "tags": "set"},
}
_CHILDREN = {
    "services": "service",
    "routes": "route",
    "consumers": "consumer",
    "plugins": "plugin",
    "keyauth_credentials": "keyauth_credential",
    "acls": "acl",
}


@cache
def plugin_schemas(edition: str) -> Mapping[str, Any]:
    """Each plugin's configuration, as far as it is used here."""
    known = yaml.safe_load(Path(__file__).with_name("plugin_schemas.yaml").read_text())
    return {**known["free"], **known["enterprise"]} if edition == "enterprise" else dict(known["free"])


def faults(document: Mapping[str, Any], edition: str) -> list[str]:
    """Everything that Kong would refuse."""
    found = list(_children(document, "", edition))
    if document.get("_format_version") != "3.0":
        found.append("_format_version is not 3.0")
    return found


def _children(owner: Mapping[str, Any], where: str, edition: str) -> Iterator[str]:
    for name, kind in _CHILDREN.items():
        for number, entity in enumerate(owner.get(name, ())):
            here = f"{where}{name}[{entity.get('name', number)}]"
            yield from _record(entity, {key: {"type": value} for key, value in ENTITIES[kind].items()}, here)
            if kind == "plugin":
                schema = plugin_schemas(edition).get(entity["name"])
                if schema is None:
                    yield f"{here}: no such plugin in the {edition} edition"
                else:
                    yield from _value(entity.get("config", {}), schema, f"{here}.config")
            yield from _children(entity, f"{here}.", edition)


def _record(value: Mapping[str, Any], fields: Mapping[str, Any], where: str) -> Iterator[str]:
    for name, part in value.items():
        if name not in fields:
            yield f"{where}.{name}: unknown field"
        else:
            yield from _value(part, fields[name], f"{where}.{name}")
    for name, field in fields.items():
        if field.get("required") and field["type"] == "array" and name in value and not value[name]:
            yield f"{where}.{name}: required and empty"


def _value(value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    kind = schema["type"]
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{where}: {value!r} is no {kind}"
        return
    if "one_of" in schema and value not in schema["one_of"]:
        yield f"{where}: {value!r} is none of {schema['one_of']}"
    if "between" in schema and not schema["between"][0] <= value <= schema["between"][1]:
        yield f"{where}: {value!r} is not between {schema['between']}"
    if "gt" in schema and not value > schema["gt"]:
        yield f"{where}: {value!r} is not above {schema['gt']}"
    if isinstance(value, str) and value.startswith("{vault://") and not schema.get("referenceable"):
        yield f"{where}: a reference to a vault is not resolved here"
    if kind in {"array", "set"} and "elements" in schema:
        for number, element in enumerate(value):
            yield from _value(element, schema["elements"], f"{where}[{number}]")
    if "fields" in schema:
        yield from _record(value, schema["fields"], where)
