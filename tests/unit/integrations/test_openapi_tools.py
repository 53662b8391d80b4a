"""What of an OpenAPI document becomes a tool, and what is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.integrations.core.call_tool import request_of
from functions.integrations.core.errors import OpenApiRefused, ToolFailed
from functions.integrations.core.mcp_servers import tools_of
from functions.integrations.core.models import McpServer, Tool, UpstreamAuth
from functions.integrations.core.openapi_tools import OpenApiDocument
from functions.kit.clock import utc_now
from functions.kit.json_schemas import problems


def document(path: str = "/pets/{petId}", method: str = "get", **operation: Any) -> dict[str, Any]:
    return {
        "openapi": "3.0.3",
        "servers": [{"url": "https://pets.example.com/v1"}],
        "paths": {path: {method: {"operationId": "thing", **operation}}},
        "components": {
            "schemas": {
                "Pet": {"type": "object", "properties": {
                    "name": {"type": "string", "nullable": True},
                    "friend": {"$ref": "#/components/schemas/Pet"},
                    "owner": {"$ref": "#/components/schemas/Owner"},
                }},
                "Owner": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
                "Unused": {"type": "object"},
            },
            "parameters": {"Id": {"name": "petId", "in": "path", "required": True, "schema": {"type": "string"}}},
        },
    }  # fmt: skip


ID = {"$ref": "#/components/parameters/Id"}


def tool(**made: Any) -> Tool:
    return OpenApiDocument(document(**made)).tool("thing")


def server(base_url: str = "https://pets.example.com/v1") -> McpServer:
    now = utc_now()
    return McpServer("1", "t", "pets", "Pets", "", {}, base_url, ("thing",), UpstreamAuth(), None, now, now)


def test_parameters_and_a_body_become_arguments() -> None:
    body = {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}
    made = tool(
        method="put",
        parameters=[ID, {"name": "dry", "in": "query", "schema": {"type": "boolean"}, "description": "Only try."}],
        requestBody=body,
    )
    assert made.schema["required"] == ["petId", "body"]
    assert made.schema["properties"]["dry"] == {"type": "boolean", "description": "Only try."}
    assert made.schema["properties"]["body"] == {"$ref": "#/$defs/Pet"}
    assert set(made.schema["$defs"]) == {"Pet", "Owner"}
    assert made.schema["$defs"]["Pet"]["properties"]["name"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert not list(problems(made.schema, {"petId": "1", "body": {"name": None, "friend": {"owner": {"id": 1}}}}))
    assert list(problems(made.schema, {"petId": "1", "body": {"friend": {"owner": {}}}}))
    assert list(problems(made.schema, {"petId": "1", "body": {}, "more": 1}))


def test_the_request_that_arguments_make() -> None:
    made = tool(
        parameters=[
            ID,
            {"name": "tag", "in": "query", "schema": {"type": "array"}},
            {"name": "X-Flag", "in": "header", "schema": {"type": "boolean"}},
        ]
    )
    request = request_of(server(), made, {"petId": "a/b c?", "tag": ["x", "y"], "X-Flag": True})
    assert request.url == "https://pets.example.com/v1/pets/a%2Fb%20c%3F"
    assert request.query == (("tag", "x"), ("tag", "y"))
    assert request.headers == {"X-Flag": "true"}
    assert request.body is None


def test_a_list_is_written_as_the_document_says() -> None:
    apart = {"name": "expand[]", "in": "query", "schema": {"type": "array"}}
    together = {"name": "ids", "in": "query", "explode": False, "schema": {"type": "array"}}
    made = tool(parameters=[ID, apart, together])
    assert set(made.schema["properties"]) == {"petId", "expand", "ids"}
    request = request_of(server(), made, {"petId": "1", "expand": ["a", "b"], "ids": [1, 2]})
    assert request.query == (("expand[]", "a"), ("expand[]", "b"), ("ids", "1,2"))


def body_schema(schema: Any, version: str = "3.0.3") -> Any:
    content = {"application/json": {"schema": schema}}
    described = document(method="post", parameters=[ID], requestBody={"content": content})
    return OpenApiDocument({**described, "openapi": version}).tool("thing").schema["properties"]["body"]


def test_fields_may_be_called_as_a_schema_s_words_are() -> None:
    fields = {name: {"type": "string"} for name in ("example", "xml", "nullable", "properties", "enum")}
    made = body_schema({"type": "object", "properties": fields, "required": ["example"]})
    assert made == {"type": "object", "properties": fields, "required": ["example"]}
    odd = {"enum": [{"example": 1, "$ref": "#/$defs/x"}], "default": {"xml": {"nullable": True}}}
    assert body_schema({**odd, "example": 1}) == odd


def test_what_only_answers_have_is_not_asked_for() -> None:
    fields = {"id": {"type": "string", "readOnly": True}, "name": {"type": "string"}}
    made = body_schema({"type": "object", "properties": fields, "required": ["id", "name"]})
    assert made == {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def test_bounds_that_are_none_of_the_values() -> None:
    made = body_schema(
        {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 1, "exclusiveMaximum": False}
    )
    assert made == {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    newer = {"type": "number", "exclusiveMinimum": 0}
    assert body_schema(newer, "3.1.0") == newer


def test_schemas_without_end_are_refused_soon() -> None:
    count = 3_000
    large = document(parameters=[ID, {"name": "q", "in": "query", "schema": {"$ref": "#/components/schemas/S0"}}])
    for at in range(count):
        fields = {f"f{step}": {"$ref": f"#/components/schemas/S{(at + step) % count}"} for step in range(8)}
        large["components"]["schemas"][f"S{at}"] = {"type": "object", "properties": fields}
    large["paths"] |= {
        f"/p{at}": {"get": {**large["paths"]["/pets/{petId}"]["get"], "operationId": f"o{at}"}} for at in range(20)
    }
    read = OpenApiDocument(large)
    read.tool("thing")
    with pytest.raises(OpenApiRefused, match="too large together"):
        tools_of(read, [f"o{at}" for at in range(20)])


@given(st.text(max_size=50))
def test_a_path_argument_stays_one_part_of_the_path(text: str) -> None:
    made = tool(parameters=[ID])
    try:
        url = request_of(server(), made, {"petId": text}).url
    except ToolFailed:
        return
    assert url.startswith("https://pets.example.com/v1/pets/")
    rest = url.removeprefix("https://pets.example.com/v1/pets/")
    assert not set(rest) & set("/?#\\")
    assert rest not in {"", ".", ".."}


@pytest.mark.parametrize("path", ["/http://evil.example/x", "//evil.example/x", "/\\evil.example", "/@evil.example"])
def test_a_documents_path_does_not_lead_to_another_host(path: str) -> None:
    made = OpenApiDocument(document(path=path)).tool("thing")
    assert request_of(server(), made, {}).url.startswith("https://pets.example.com/v1/")


def test_callers_do_not_set_the_credential_or_the_framing() -> None:
    names = ["Authorization", "cookie", "Host", "Content-Length", "transfer-encoding", "X-Ours"]
    made = tool(parameters=[ID, *({"name": name, "in": "header", "schema": {}} for name in names)])
    assert [p.name for p in made.parameters] == ["petId", "X-Ours"]
    for value in ("a\r\nx: y", "\x00", "é"):
        with pytest.raises(ToolFailed):
            request_of(server(), made, {"petId": "1", "X-Ours": value})


@pytest.mark.parametrize(
    "made",
    [
        {"parameters": [{"$ref": "https://evil.example/x"}]},
        {"parameters": [{"$ref": "#/components/parameters/None"}]},
        {"parameters": [{"$ref": "other.yaml#/x"}]},
        {"parameters": []},
        {"parameters": [ID, {"name": "c", "in": "cookie", "required": True, "schema": {}}]},
        {"parameters": [ID, {"name": "x y", "in": "header", "schema": {}}]},
        {"parameters": [ID, {"name": "o", "in": "query", "style": "deepObject", "schema": {}}]},
        {"parameters": [ID, {"name": "o", "in": "query", "content": {}}]},
        {"parameters": [ID, {"name": "", "in": "query"}]},
        {"parameters": [ID, 5]},
        {"parameters": [ID, {"name": [], "in": "query"}]},
        {"parameters": [ID, {"name": "a", "in": {}}]},
        {"parameters": [ID, {"name": "a", "in": "query", "style": []}]},
        {"parameters": [ID, {"name": "a", "in": "query", "schema": 7}]},
        {"parameters": [ID], "requestBody": {"content": {"application/json": {"schema": 7}}}},
        {"parameters": [ID], "servers": [{"url": "https://other.example.com"}]},
        {"path": "/pets/{petId}/a b", "parameters": [ID]},
        {"path": "/pets/{petId}#x", "parameters": [ID]},
        {"path": "/pets/{petId}" + "{" * 5_000, "parameters": [ID]},
        {"parameters": [ID], "requestBody": {"required": True, "content": {"text/plain": {}}}},
        {"parameters": [ID], "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/nowhere"}}}}},
    ],
)
def test_an_operation_that_cannot_be_offered_is_refused_by_name(made: dict[str, Any]) -> None:
    with pytest.raises(OpenApiRefused) as refused:
        tool(**made)
    assert refused.value.details == {"operation": "thing"}


def test_references_in_circles_end() -> None:
    circular = document(parameters=[{"$ref": "#/components/parameters/A"}])
    circular["components"]["parameters"] |= {"A": {"$ref": "#/components/parameters/A"}}
    with pytest.raises(OpenApiRefused, match="circles"):
        OpenApiDocument(circular).tool("thing")
    endless = document(parameters=[{"name": "q", "in": "query", "schema": {"$ref": "#/components/schemas/Loop"}}, ID])
    endless["components"]["schemas"]["Loop"] = {"$ref": "#/components/schemas/Loop"}
    made = OpenApiDocument(endless).tool("thing")
    assert list(problems(made.schema, {"petId": "1", "q": 1})) == ["arguments: the schema never ends"]


def test_a_regular_expression_of_the_document_is_not_run() -> None:
    made = tool(parameters=[ID, {"name": "q", "in": "query", "schema": {"type": "string", "pattern": "(a+)+$"}}])
    assert not list(problems(made.schema, {"petId": "1", "q": "a" * 40 + "!"}))


@pytest.mark.parametrize("wrong", [{}, {"openapi": "2.0"}, {"swagger": "2.0"}, {"openapi": "3.1.0"}])
def test_what_is_no_document(wrong: dict[str, Any]) -> None:
    with pytest.raises(OpenApiRefused):
        OpenApiDocument(wrong)


def test_two_operations_of_one_name() -> None:
    twice = document()
    twice["paths"]["/other"] = {"get": {"operationId": "thing"}}
    with pytest.raises(OpenApiRefused, match="two operations"):
        OpenApiDocument(twice)
    alike = document(parameters=[ID])
    alike["paths"]["/other"] = {"get": {"operationId": "thing!"}}
    with pytest.raises(OpenApiRefused, match="both be called"):
        tools_of(OpenApiDocument(alike), ["thing", "thing!"])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["$ref", "in", "name", "schema", "required", "content", "application/json", "type", "properties", "get", "post",
         "parameters", "requestBody", "operationId", "/x", "paths", "openapi", "components"]), inner, max_size=4),
    max_leaves=25,
)  # fmt: skip


@given(json_values)
def test_whatever_the_document_it_is_taken_or_refused(value: Any) -> None:
    try:
        made = OpenApiDocument({"openapi": "3.1.0", "paths": {"/x": value}})
        for operation in made.operation_ids:
            made.tool(operation)
    except OpenApiRefused:
        pass
