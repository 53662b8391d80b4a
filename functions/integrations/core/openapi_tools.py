"""Makes tools of the operations of an OpenAPI 3.0 or 3.1 document (spec.openapis.org).

Nothing outside the document is read: a reference that leads out of it refuses the operation.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, cast

from functions.integrations.core.errors import OpenApiRefused
from functions.integrations.core.models import Json, Parameter, Place, Tool

MOST_OPERATIONS = 2_000
_METHODS = ("get", "put", "post", "delete", "patch", "head")
_LONGEST_NAME = 64
_LONGEST_TEXT = 1_000
# No server takes a longer one, and it is looked through for each operation.
_LONGEST_PATH = 2_048
_DEEPEST = 60
# Of all schemas of a server together, references followed: no model reads more, and every process makes them anew.
_MOST_PARTS = 200_000
# What says nothing to whoever calls; of a schema's own words, not of the fields that it describes.
_LEFT_OUT = frozenset({"nullable", "example", "examples", "xml", "externalDocs", "discriminator"})
_BY_FIELD = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
_VALUES = frozenset({"enum", "const", "default"})
# What no caller may set: the credential is the server's own, the rest is HTTP's.
_OWN_HEADERS = frozenset({"authorization", "cookie", "host", "connection", "content-length", "content-type", "accept",
                          "transfer-encoding", "proxy-authorization", "te", "upgrade", "expect"})  # fmt: skip
_NO_ADDRESS = re.compile(r"[\x00-\x20\x7f#]")
_HEADER_NAME = re.compile(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")


class Unsupported(Exception):
    """An operation needs what tools do not offer; the message says what."""


class OpenApiDocument:
    """A document, with its operations by id.

    Raises:
        OpenApiRefused: it is not an OpenAPI 3 document, or has too many operations.
    """

    def __init__(self, document: Json) -> None:
        if not str(document.get("openapi", "")).startswith(("3.0", "3.1")):
            raise OpenApiRefused("only OpenAPI 3.0 and 3.1 documents are taken", details={"field": "openapi"})
        self._document = document
        self._parts = 0
        self._operations = dict(self._find())

    @property
    def operation_ids(self) -> list[str]:
        """Of all operations, in the document's order; those without an id are named by method and path."""
        return list(self._operations)

    def base_url(self) -> str | None:
        """The first server's address, when it is absolute and has no variables."""
        servers = self._document.get("servers")
        first = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], dict) else {}
        url = str(first.get("url") or "")
        return url if re.match(r"https?://", url) and "{" not in url else None

    def tool(self, operation_id: str) -> Tool:
        """The operation as a tool.

        Raises:
            OpenApiRefused: there is no such operation, or it needs what tools do not offer.
        """
        found = self._operations.get(operation_id)
        if found is None:
            raise OpenApiRefused(f"the document has no operation {operation_id!r}", details={"operation": operation_id})
        method, path, shared, operation = found
        try:
            if (own := operation.get("servers")) and own != self._document.get("servers"):
                raise Unsupported("it has servers of its own")
            if len(path) > _LONGEST_PATH:
                raise Unsupported(f"its path has more than {_LONGEST_PATH} characters")
            if _NO_ADDRESS.search(path):
                raise Unsupported("its path holds what an address cannot")
            return self._made(operation_id, method, path, [*shared, *_listed(operation, "parameters")], operation)
        except Unsupported as reason:
            raise OpenApiRefused(
                f"operation {operation_id!r} cannot be a tool: {reason}", details={"operation": operation_id}
            ) from reason

    def _find(self) -> Iterator[tuple[str, tuple[str, str, list[Any], Json]]]:
        paths = self._document.get("paths")
        if not isinstance(paths, dict) or not paths:
            raise OpenApiRefused("the document has no paths", details={"field": "paths"})
        seen: set[str] = set()
        for path, item in paths.items():
            for method in _METHODS:
                operation = item.get(method) if isinstance(item, dict) else None
                if not isinstance(operation, dict) or not str(path).startswith("/"):
                    continue
                name = str(operation.get("operationId") or f"{method}_{path}")
                if name in seen:
                    raise OpenApiRefused(f"two operations are called {name!r}", details={"operation": name})
                seen.add(name)
                if len(seen) > MOST_OPERATIONS:
                    raise OpenApiRefused(f"the document has more than {MOST_OPERATIONS} operations")
                told = {"servers": item["servers"], **operation} if item.get("servers") else operation
                yield name, (method.upper(), path, _listed(item, "parameters"), told)

    def _made(self, operation_id: str, method: str, path: str, given: list[Any], operation: Json) -> Tool:
        properties: Json = {}
        required: list[str] = []
        parameters = []
        body = self._body(operation)
        # An operation's own parameter replaces the path's of the same name and place.
        for document in {(str(p.get("name")), str(p.get("in"))): p for p in map(self._resolved, given)}.values():
            parameter = _parameter(document, taken={*properties, "body"} if body else set(properties))
            if parameter is None:
                continue
            parameters.append(parameter)
            properties[parameter.argument] = {
                **self._whole_schema(document.get("schema")),
                **({"description": _text(document["description"])} if document.get("description") else {}),
            }
            if document.get("required") or parameter.place == "path":
                required.append(parameter.argument)
        if body is not None:
            properties["body"] = self._whole_schema(body[0])
            required += ["body"] if body[1] else []
        missing = set(re.findall(r"\{([^}]+)\}", path)) - {p.name for p in parameters if p.place == "path"}
        if missing:
            raise Unsupported(f"the path's {sorted(missing)[0]} is not among the parameters")
        schema: Json = {"type": "object", "properties": properties, "additionalProperties": False}
        if required:
            schema["required"] = required
        if definitions := self._reachable(schema):
            schema["$defs"] = definitions
        return Tool(
            name=_name(operation_id),
            operation_id=operation_id,
            title=_text(operation.get("summary") or operation_id),
            description=_text(operation.get("description") or operation.get("summary") or f"{method} {path}"),
            method=method,
            path=path,
            parameters=tuple(parameters),
            has_body=body is not None,
            schema=schema,
        )

    def _body(self, operation: Json) -> tuple[Any, bool] | None:
        """The schema of a JSON body and whether there must be one."""
        if operation.get("requestBody") is None:
            return None
        body = self._resolved(operation["requestBody"])
        content = body.get("content") if isinstance(body.get("content"), dict) else {}
        for media_type, media in (content or {}).items():
            if re.fullmatch(r"application/(?:[\w.+-]+\+)?json", str(media_type).partition(";")[0].strip()):
                return (media.get("schema") if isinstance(media, dict) else None), bool(body.get("required"))
        if body.get("required"):
            raise Unsupported("its body is not JSON")
        return None

    def _resolved(self, node: Any) -> Json:
        """What a reference leads to, within the document."""
        for _ in range(_DEEPEST):
            if not isinstance(node, dict):
                raise Unsupported("a part of it is not an object")
            if "$ref" not in node:
                return node
            node = self._at(str(node["$ref"]))
        raise Unsupported("its references go in circles")

    def _at(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            raise Unsupported(f"{reference!r} leads out of the document")
        node: Any = self._document
        for part in reference[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            node = node.get(key) if isinstance(node, dict) else None
        if node is None:
            raise Unsupported(f"{reference!r} leads nowhere")
        return node

    def _whole_schema(self, node: Any) -> Json:
        """A schema where one must be; true, as nothing, takes any value."""
        if node in (None, True):
            return {}
        if not isinstance(node, dict):
            raise Unsupported("a schema is no object")
        return dict(self._schema(node))

    def _schema(self, node: Any, depth: int = 0) -> Any:
        """A schema as JSON Schema 2020-12, its references led to `$defs`."""
        self._count(depth)
        if isinstance(node, list):
            return [self._schema(part, depth + 1) for part in node]
        if not isinstance(node, dict):
            return node
        if isinstance(reference := node.get("$ref"), str):
            self._at(reference)
            return {"$ref": f"#/$defs/{_definition(reference)}"}
        made = {key: self._keyword(key, part, depth + 1) for key, part in node.items() if key not in _LEFT_OUT}
        _without_read_only(made)
        _with_exclusive_bounds(made)
        # OpenAPI 3.0's own way to say null.
        return {"anyOf": [made, {"type": "null"}]} if node.get("nullable") is True else made

    def _keyword(self, key: str, part: Any, depth: int) -> Any:
        if key in _BY_FIELD and isinstance(part, dict):
            return {name: self._schema(schema, depth) for name, schema in part.items()}
        return self._value(part, depth) if key in _VALUES else self._schema(part, depth)

    def _value(self, node: Any, depth: int) -> Any:
        """A value as it is: what in it reads like a schema's words is none."""
        self._count(depth)
        if isinstance(node, list):
            return [self._value(part, depth + 1) for part in node]
        return {key: self._value(part, depth + 1) for key, part in node.items()} if isinstance(node, dict) else node

    def _count(self, depth: int) -> None:
        self._parts += 1
        if depth > _DEEPEST:
            raise Unsupported("a schema is nested too deeply")
        if self._parts > _MOST_PARTS:
            raise Unsupported("the schemas of the operations are too large together")

    @cached_property
    def _referred(self) -> dict[str, str]:
        """The document's references by the names of what they lead to."""
        return {_definition(reference): reference for reference in _references(self._document)}

    def _reachable(self, schema: Json) -> Json:
        """The definitions that a schema leads to, and those that they lead to."""
        found: Json = {}
        waiting = [schema]
        while waiting:
            for reference in _references(waiting.pop()):
                name = reference.removeprefix("#/$defs/")
                # A value that only reads like a reference leads nowhere.
                if reference.startswith("#/$defs/") and name not in found and name in self._referred:
                    found[name] = self._schema(self._at(self._referred[name]))
                    waiting.append(found[name])
        return found


def absolute(base_url: str, path: str) -> str:
    """The address of a path below a base URL; the path cannot lead out of it."""
    # Not joined as references are: a path that reads like an address must not become one.
    return f"{base_url.rstrip('/')}/{path.lstrip('/')}"


def _parameter(document: Json, taken: set[str]) -> Parameter | None:
    name, place = str(document.get("name") or ""), document.get("in")
    if place == "cookie" or (place == "header" and name.lower() in _OWN_HEADERS):
        if document.get("required") and place == "cookie":
            raise Unsupported("it needs a cookie")
        return None
    if place not in ("path", "query", "header") or not name:
        raise Unsupported("a parameter says neither what nor where it is")
    if place == "header" and not _HEADER_NAME.match(name):
        raise Unsupported(f"{name!r} is no header")
    if document.get("style") not in (None, "form", "simple") or "content" in document:
        raise Unsupported(f"parameter {name!r} is written in a way that tools do not offer")
    # As models take it: `expand[]` is `expand` to them.
    argument = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_")[:_LONGEST_NAME] or "parameter"
    argument = f"{place}_{argument}" if argument in taken else argument
    if argument in taken:
        raise Unsupported(f"two parameters are called {name!r}")
    return Parameter(argument, name, cast("Place", place), is_exploded=document.get("explode") is not False)


def _without_read_only(schema: Json) -> None:
    """Take out what only answers have, though it be among what is required."""
    fields = schema.get("properties")
    if not isinstance(fields, dict):
        return
    hidden = {name for name, field in fields.items() if isinstance(field, dict) and field.get("readOnly") is True}
    if hidden:
        schema["properties"] = {name: field for name, field in fields.items() if name not in hidden}
        schema["required"] = [name for name in _listed(schema, "required") if name not in hidden]


def _with_exclusive_bounds(schema: Json) -> None:
    """OpenAPI 3.0 says with a boolean that a bound is none of the values; JSON Schema has the bound itself there."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and bound in schema:
            schema[exclusive] = schema.pop(bound)


def _references(node: Any) -> Iterator[str]:
    stack = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            if isinstance(reference := part.get("$ref"), str):
                yield reference
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)


def _listed(node: Any, key: str) -> list[Any]:
    found = node.get(key) if isinstance(node, dict) else None
    return found if isinstance(found, list) else []


def _definition(reference: str) -> str:
    """A name for what a reference leads to; the last part alone is not unique."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", reference.removeprefix("#/components/schemas/").removeprefix("#/"))


def _name(operation_id: str) -> str:
    """A tool's name as models take it: letters, digits, `_` and `-`, at most 64."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", operation_id).strip("_")[:_LONGEST_NAME] or "operation"


def _text(text: object) -> str:
    """A text for people and models: bounded, on its own lines, without control characters."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", " ", str(text)).strip()[:_LONGEST_TEXT]
