"""The catalogue: what a func.yaml says, and what is refused."""

from pathlib import Path

import pytest

from functions.kit.catalogue import CatalogueError, Route, load_catalogue

HTTP = """
specVersion: 0.36.0
name: shop-orders
runtime: python
deploy:
  annotations:
    dcoder.dev/kind: http
    dcoder.dev/routes: |
      GET /v1/orders
      POST /v1/orders/{orderId}/items
    dcoder.dev/body-limit: 2Mi
  options:
    scale: {min: 1, max: 9}
    resources: {limits: {memory: 256Mi, concurrency: 7}}
"""


def write(root: Path, folder: str, text: str) -> None:
    path = root / "shop" / folder
    path.mkdir(parents=True)
    (path / "func.yaml").write_text(text)


def test_a_function_is_what_its_manifest_says(tmp_path: Path) -> None:
    write(tmp_path, "orders", HTTP)
    function = load_catalogue(tmp_path).by_name("shop-orders")
    assert function.routes == (Route("GET", "/v1/orders"), Route("POST", "/v1/orders/{orderId}/items"))
    assert function.body_limit == 2 * 1024 * 1024
    assert (function.scale.min, function.scale.max, function.concurrency) == (1, 9, 7)
    assert function.module == "functions.shop.orders.main"
    assert function.host == "api"
    assert not function.public


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("name: shop-orders", "name: orders"), "name must be shop-orders"),
        (("kind: http", "kind: cron"), "http or event"),
        (("GET /v1/orders", "FETCH /v1/orders"), "not a route"),
        (("2Mi", "2 megs"), "not a size"),
        (("kind: http", "kind: event"), "needs routes"),
        (("kind: http", "kind: http\n    dcoder.dev/schedule: every 5m"), "to an event function"),
        (("kind: http", "kind: event\n    dcoder.dev/schedule: every 7m"), "divide the day"),
        (("deploy:", "deployment:"), "KeyError"),
    ],
)
def test_a_wrong_manifest_is_named_with_its_fault(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    write(tmp_path, "orders", HTTP.replace(*change))
    with pytest.raises(CatalogueError, match=says) as caught:
        load_catalogue(tmp_path)
    assert "func.yaml" in str(caught.value)


def test_two_functions_cannot_take_one_route(tmp_path: Path) -> None:
    write(tmp_path, "orders", HTTP)
    write(tmp_path, "others", HTTP.replace("shop-orders", "shop-others").replace("{orderId}", "{id}"))
    with pytest.raises(CatalogueError, match="already taken"):
        load_catalogue(tmp_path)


def test_every_http_function_answers_exactly_the_routes_it_lists() -> None:
    import importlib

    from fastapi.routing import APIRoute

    from functions.kit.routing import KitRoute

    for function in load_catalogue().http():
        app = importlib.import_module(function.module).app
        served = {
            (method, route.path)
            for route in app.routes
            if isinstance(route, APIRoute)
            for method in route.methods or ()
        }
        assert served == {(route.method, route.path) for route in function.routes}, function.name
        assert all(isinstance(route, KitRoute) for route in app.routes if isinstance(route, APIRoute))
