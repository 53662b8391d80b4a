import re

import pytest

from functions.kit.catalogue import Catalogue, load_catalogue
from functions.kit.errors import (
    DependencyUnavailable,
    Internal,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    Unauthenticated,
)
from functions.kit.tenancy import TenantSuspended
from kong.edge import EdgeRoute, allowed_methods, edge_routes, path_pattern
from kong.errors import EDGE_ERRORS
from kong.policy import load_policy


def find(catalogue: Catalogue, method: str, path: str) -> EdgeRoute | None:
    for route in edge_routes(catalogue):
        if method in route.methods and re.match(route.pattern, path):
            return route
    return None


@pytest.mark.parametrize(
    ("method", "path", "function"),
    [
        ("POST", "/v1/chat/completions", "gateway-chat"),
        ("GET", "/v1/chat/completions", None),
        ("GET", "/v1/tenants", "platform-tenants"),
        ("GET", "/v1/tenants/", None),
        ("GET", "/v1/tenants/me", "platform-me"),
        ("GET", "/v1/tenants/mine", "platform-tenants"),
        ("DELETE", "/v1/tenants/mine", "platform-me"),
        ("GET", "/v1/tenants/a/b", None),
        ("GET", "/v1/files/a/b/c", "knowledge-files"),
        ("PUT", "/v1/files/a/content", "knowledge-files"),
        ("GET", "/v1/files/", None),
        ("GET", "/prefix/v1/tenants", None),
    ],
)
def test_first_match_is_the_right_function(catalogue: Catalogue, method: str, path: str, function: str | None) -> None:
    route = find(catalogue, method, path)
    assert (route.function if route else None) == function


def test_order_is_static_then_parameterised_then_spanning(catalogue: Catalogue) -> None:
    paths = [route.path for route in edge_routes(catalogue)]
    counts = [(":path" in path, path.count("{")) for path in paths]
    assert counts == sorted(counts)


def test_route_carries_its_functions_settings(catalogue: Catalogue) -> None:
    route = find(catalogue, "POST", "/v1/chat/completions")
    assert route is not None
    assert (route.host, route.stream, route.timeout_seconds, route.body_limit) == ("llm", True, 600, 1024**2)


def test_policy_caps_the_body(catalogue: Catalogue) -> None:
    route = find(catalogue, "GET", "/v1/files/x")
    assert route is not None
    assert route.body_limit == load_policy().body.maximum


def test_public_by_annotation_and_by_path(catalogue: Catalogue) -> None:
    public = {route.function for route in edge_routes(catalogue) if route.public}
    assert public == {"integrations-hooks", "platform-sign-in"}


def test_events_have_no_route(catalogue: Catalogue) -> None:
    assert "platform-mirror" not in {route.function for route in edge_routes(catalogue)}


def test_methods_of_a_path_over_all_functions(catalogue: Catalogue) -> None:
    assert allowed_methods(edge_routes(catalogue))["^/v1/tenants/[^/]+$"] == ("DELETE", "GET")


def test_every_route_of_the_installation_is_routed() -> None:
    catalogue = load_catalogue()
    declared = {(route.method, route.path, function.name) for function in catalogue.http() for route in function.routes}
    routed = {(method, route.path, route.function) for route in edge_routes(catalogue) for method in route.methods}
    assert routed == declared


@pytest.mark.parametrize(
    ("template", "matching", "other"),
    [
        ("/v1/a.b", "/v1/a.b", "/v1/axb"),
        ("/v1/{id}:cancel", "/v1/7:cancel", "/v1/7"),
        ("/v1/{name}/x", "/v1/a b/x", "/v1//x"),
    ],
)
def test_path_patterns(template: str, matching: str, other: str) -> None:
    assert re.match(path_pattern(template), matching)
    assert not re.match(path_pattern(template), other)


@pytest.mark.parametrize("template", ["v1", "/v1/{", "/v1/{a-b}", '/v1/"', "/v1/a b", "/v1/$x", "/v1/{id:int}"])
def test_odd_templates_are_refused(template: str) -> None:
    with pytest.raises(ValueError, match="not a path template"):
        path_pattern(template)


def test_codes_are_the_kits() -> None:
    """A caller must not be able to tell who refused: the edge or the function."""
    codes = {error.status: error.code for error in EDGE_ERRORS if error.triggers != (497,)}
    kits = (
        *(InvalidRequest, Unauthenticated, TenantSuspended, NotFound, MethodNotAllowed),
        *(PayloadTooLarge, RateLimited, Internal, DependencyUnavailable),
    )
    assert {kit.status: kit.code for kit in kits}.items() <= codes.items()


def test_no_status_has_two_answers() -> None:
    triggers = [status for error in EDGE_ERRORS for status in error.triggers]
    assert len(triggers) == len(set(triggers))
