"""API9:2023. What is documented is what there is, and the reverse: no forgotten versions, no secret routes."""

import json
import re

import pytest

from docs.generate import openapi
from functions.kit.catalogue import load_catalogue
from functions.kit.serve import load_app
from tests.platform import Api, Tenant

DOCUMENTED = {
    (method.upper(), re.sub(r"\{[^}]+\}", "{}", path))
    for path, operations in json.loads(openapi())["paths"].items()
    for method in operations
}
CATALOGUE = {
    (route.method, re.sub(r"\{[^}]+\}", "{}", route.path))
    for function in load_catalogue().http()
    for route in function.routes
}


def test_the_document_names_all_that_the_edge_lets_through() -> None:
    hidden = {route for route in CATALOGUE - DOCUMENTED if not route[1].startswith(("/api/v1/", "/llm/"))}
    assert not hidden
    assert not DOCUMENTED - CATALOGUE


# What else an app serves is every app's: health, metrics.
_OWN = ("/v1/", "/api/", "/llm/", "/knowledge/", "/agents/")


@pytest.mark.parametrize("name", sorted(function.name for function in load_catalogue().http()))
def test_a_function_serves_what_its_manifest_says_and_nothing_more(name: str) -> None:
    function = load_catalogue().by_name(name)
    served = {
        (method, re.sub(r"\{[^}]+\}", "{}", route.path))
        for route in load_app(name).routes
        for method in getattr(route, "methods", None) or ()
        if method not in {"HEAD", "OPTIONS"} and route.path.startswith(_OWN)
    }
    assert served == {(route.method, re.sub(r"\{[^}]+\}", "{}", route.path)) for route in function.routes}


@pytest.mark.parametrize("version", ["/v0", "/v2", "/v1beta", "/v1.0", "/api", "/internal", "/beta", ""])
async def test_no_other_version_answers(api: Api, tenant: Tenant, version: str) -> None:
    for path in ("/tenants", "/models", "/chat/completions"):
        reply = await api.as_(tenant.key).call("GET", version + path)
        assert reply.status == 404, (version, path)
