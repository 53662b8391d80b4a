"""Reads request bodies: parsed once, checked, and kept as they came so that nothing of them is lost on the way."""

from typing import Any

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError

from functions.kit.errors import InvalidRequest, Unprocessable

# orjson reads 1,024 levels and writes 254, some of which are ours.
_DEEPEST = 200


class RequestBody(BaseModel):
    """What of a request the gateway relies on; the rest is its provider's to check.

    Strict, as the body is used and sent as it came: `"false"` is no boolean, `true` no number of tokens.
    """

    model_config = ConfigDict(extra="allow", strict=True)


async def read_body(request: Request, schema: type[BaseModel]) -> dict[str, Any]:
    """The body as an object that the schema accepts.

    Raises:
        InvalidRequest: it is not JSON.
        RequestValidationError: it breaks the schema.
    """
    raw = await request.body()
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        encoding = request.headers.get("content-encoding", "identity")
        coded = "" if encoding == "identity" else f"; it must be sent without Content-Encoding, not as {encoding[:40]}"
        raise InvalidRequest(f"the body is not valid JSON{coded}") from error
    if raw.count(b"{") + raw.count(b"[") > _DEEPEST and _depth(body) > _DEEPEST:
        raise InvalidRequest(f"the body is nested more than {_DEEPEST} deep")
    if not isinstance(body, dict):
        raise Unprocessable("the body must be an object")
    _name_model(request, body)
    try:
        schema.model_validate(body)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_context=False)) from error
    return body


def _depth(body: Any) -> int:
    """How deep objects and lists are nested."""
    depth, level = 0, [body]
    while level := [value for value in level if isinstance(value, dict | list)]:
        depth += 1
        level = [part for value in level for part in (value.values() if isinstance(value, dict) else value)]
    return depth


def _name_model(request: Request, body: dict[str, Any]) -> None:
    """Under `/llm/{provider}/{model}/` the path names the model; the body may leave it out, or must say the same.

    Raises:
        InvalidRequest: they name different models.
    """
    if "provider" not in request.path_params:
        return
    model, full = request.path_params["model"], f"{request.path_params['provider']}/{request.path_params['model']}"
    if body.get("model") not in (None, "", model, full):
        raise InvalidRequest(f"the path names {full}, the body another model", details={"field": "model"})
    body["model"] = full


def documented(schema: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI fragment for a route that reads its body with `read_body`."""
    content = {"application/json": {"schema": schema.model_json_schema(ref_template="#/components/schemas/{model}")}}
    definitions = content["application/json"]["schema"].pop("$defs", {})
    inlined = _inline(content, definitions)
    return {"requestBody": {"required": True, "content": inlined}}


def _inline(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, dict):
        name = str(node.get("$ref", "")).rpartition("/")[2]
        if name in definitions:
            return _inline(definitions[name], definitions)
        return {key: _inline(value, definitions) for key, value in node.items()}
    if isinstance(node, list):
        return [_inline(item, definitions) for item in node]
    return node
