"""Every route has a requirement, every requirement a policy, and every policy a route."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from functions.kit.authorisation import LATER, PUBLIC, Requirement
from functions.kit.catalogue import ROOT, Function, load_catalogue
from functions.kit.policies.lines import defaults
from functions.kit.routing import KitRoute

# Asked about inside a use case, by no route of their own: action and where that is.
WITHIN_USE_CASES: dict[str, str] = {
    "tenants:operate": "functions/platform/tenants",
    "tools:call": "functions/agents/adapters/tools_policies.py",
}


def routes_of(function: Function) -> list[KitRoute]:
    app = importlib.import_module(function.module).app
    found = [route for route in app.routes if isinstance(route, APIRoute)]
    assert all(isinstance(route, KitRoute) for route in found), f"{function.name}: make routers by api_router()"
    return [route for route in found if isinstance(route, KitRoute)]


def requirements() -> Iterator[tuple[Function, Requirement]]:
    for function in load_catalogue().http():
        for route in routes_of(function):
            yield function, route.requirement()


@pytest.mark.parametrize("function", load_catalogue().http(), ids=lambda function: function.name)
def test_every_route_of_the_catalogue_has_a_requirement_with_a_policy(function: Function) -> None:
    guarded = {
        (method, route.path): route.requirement() for route in routes_of(function) for method in route.methods or ()
    }
    for route in function.routes:
        requirement = guarded.pop((route.method, route.path))
        assert requirement.action == PUBLIC or requirement.action in defaults().actions
    assert not guarded, f"{function.name}: func.yaml does not name these routes"


def test_every_action_is_some_routes() -> None:
    used = {requirement.action for _, requirement in requirements()} | WITHIN_USE_CASES.keys()
    unused = sorted(defaults().actions - used)
    assert not unused, f"default.csv: no route requires {', '.join(unused)}"


def test_what_is_said_to_be_asked_within_use_cases_is() -> None:
    for action, where in WITHIN_USE_CASES.items():
        assert action in asked_in(ROOT.parent / where), f"{where} does not ask for {action}"


def test_what_is_left_for_later_is_asked_later() -> None:
    for function, requirement in requirements():
        if requirement.resource is LATER:
            assert requirement.action in asked_in(ROOT / function.context), f"{function.name}: {requirement.action}"


def test_a_route_without_a_requirement_cannot_be() -> None:
    from functions.kit.routing import api_router

    async def endpoint() -> None: ...

    with pytest.raises(TypeError, match="exactly one require"):
        api_router().add_api_route("/v1/things", endpoint)


def asked_in(place: Path) -> set[str]:
    """The actions that calls of `authorise(…)` below a folder, or in a file, name."""
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    calls = (node for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))
    return {
        argument.value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "authorise"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def test_calls_are_found_by_what_they_name(tmp_path: Path) -> None:
    (tmp_path / "use_case.py").write_text("def ask(p):\n    authorise(p, 'documents:read', None)\n")
    assert asked_in(tmp_path) == {"documents:read"}
