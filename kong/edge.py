"""The edge's routing table, from the catalogue of functions: what nginx and Kong are both rendered from."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from functions.kit.catalogue import Catalogue, Function
from kong.policy import EdgePolicy, load_policy

_PARAMETER = re.compile(r"\{(\w+)(:path)?\}")


@dataclass(frozen=True, slots=True)
class EdgeRoute:
    """One path of one function.

    Attributes:
        pattern: anchored regular expression of the whole path.
        function: name of the function that answers.
        host: the embedded host group that serves it.
        body_limit: bytes.
    """

    path: str
    pattern: str
    methods: tuple[str, ...]
    function: str
    host: str
    body_limit: int
    timeout_seconds: int
    stream: bool
    public: bool

    @property
    def target(self) -> str:
        """Routes of one target are handled alike: same function, same demand for a credential."""
        return f"{self.function}.public" if self.public else self.function


def edge_routes(catalogue: Catalogue, policy: EdgePolicy | None = None) -> tuple[EdgeRoute, ...]:
    """The routes in the order they must be tried: the first pattern that matches decides.

    Static paths come before parameterised ones, longer before shorter.
    """
    policy = policy or load_policy()
    routes = [route for function in catalogue.http() for route in _routes(function, policy)]
    return tuple(sorted(routes, key=_precedence))


def allowed_methods(routes: Iterable[EdgeRoute]) -> dict[str, tuple[str, ...]]:
    """For each pattern the methods that any function takes there, in the order of the routes."""
    allowed: dict[str, set[str]] = {}
    for route in routes:
        allowed.setdefault(route.pattern, set()).update(route.methods)
    return {pattern: tuple(sorted(methods)) for pattern, methods in allowed.items()}


def path_pattern(template: str) -> str:
    """`/v1/tenants/{id}` as an anchored regular expression; `{rest:path}` spans slashes.

    Raises:
        ValueError: the template has a brace that is not a parameter, or a character that cannot be in a path.
    """
    if not re.fullmatch(r"/[A-Za-z0-9._~:/-]*", _PARAMETER.sub("", template)):
        raise ValueError(f"not a path template: {template!r}")
    pattern = _PARAMETER.sub(lambda match: ".+" if match[2] else "[^/]+", template.replace(".", r"\."))
    return f"^{pattern}$"


def _routes(function: Function, policy: EdgePolicy) -> Iterable[EdgeRoute]:
    methods: dict[str, list[str]] = {}
    for route in function.routes:
        methods.setdefault(route.path, []).append(route.method)
    for path, verbs in methods.items():
        yield EdgeRoute(
            path=path,
            pattern=path_pattern(path),
            methods=tuple(sorted(verbs)),
            function=function.name,
            host=function.host,
            body_limit=min(function.body_limit, policy.body.maximum),
            timeout_seconds=function.timeout_seconds,
            stream=function.stream,
            public=function.public or policy.is_public(path),
        )


def _precedence(route: EdgeRoute) -> tuple[int, int, int, str, str]:
    spanning = len(re.findall(r"\{\w+:path\}", route.path))
    return (spanning, route.path.count("{"), -len(route.path), route.path, route.function)
