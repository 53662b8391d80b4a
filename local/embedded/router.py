"""Which function answers a request: the catalogue's routes as a raw ASGI dispatcher needs them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from functions.kit.catalogue import Function
from kong.edge import path_pattern

_SPANNING = ":path}"


@dataclass(frozen=True, slots=True)
class Match:
    """What the catalogue says about a request.

    Attributes:
        function: name of the function that answers; None when no function does.
        allowed: methods that the path takes; empty when the path is unknown.
    """

    function: str | None
    allowed: tuple[str, ...] = ()


class Router:
    """Finds the function of a method and path. Static paths win over parameters, more of them over fewer."""

    def __init__(self, functions: Iterable[Function]) -> None:
        methods: dict[str, dict[str, str]] = {}
        for function in functions:
            for route in function.routes:
                methods.setdefault(route.path, {})[route.method] = function.name
        self._static = {path: owners for path, owners in methods.items() if "{" not in path}
        templates = sorted((path for path in methods if "{" in path), key=_precedence)
        self._templates = [(re.compile(path_pattern(path)), methods[path]) for path in templates]

    def match(self, method: str, path: str) -> Match:
        """The function for a request, or the methods its path would take."""
        allowed: set[str] = set()
        for owners in self._owners(path):
            if function := owners.get(method):
                return Match(function)
            allowed.update(owners)
        return Match(None, tuple(sorted(allowed)))

    def _owners(self, path: str) -> Iterable[Mapping[str, str]]:
        if static := self._static.get(path):
            yield static
        for pattern, owners in self._templates:
            if pattern.match(path):
                yield owners


def _precedence(path: str) -> tuple[bool, int, int, str]:
    return (_SPANNING in path, path.count("{"), -len(path), path)
