"""Every route of the catalogue as these tests call it: with what it needs of the policy, and paths filled in."""

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fastapi import FastAPI

from functions.kit.authorisation import PUBLIC
from functions.kit.catalogue import load_catalogue
from functions.kit.routing import KitRoute
from functions.kit.serve import load_app

_PARAMETER = re.compile(r"\{([A-Za-z]+)(?::path)?\}")


@dataclass(frozen=True)
class Guarded:
    """A route and the action that it requires."""

    method: str
    path: str
    action: str

    def parameters(self) -> list[str]:
        return _PARAMETER.findall(self.path)

    def filled(self, values: Mapping[str, str]) -> str:
        """The path, with an id that nobody has for what is not given."""
        return _PARAMETER.sub(lambda found: values.get(found[1], str(uuid.uuid4())), self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@lru_cache(maxsize=1)
def guarded_routes() -> tuple[Guarded, ...]:
    """Every route that wants a credential."""
    return tuple(sorted(_routes(), key=str))


def _routes() -> Iterator[Guarded]:
    for function in load_catalogue().http():
        app: FastAPI = load_app(function.name)
        for route in app.routes:
            if isinstance(route, KitRoute) and (action := route.requirement().action) != PUBLIC:
                for method in route.methods or ():
                    yield Guarded(method, route.path, action)


def envelope(body: Any) -> bool:
    """Whether a body is an error as every API answers it, without a trace of how it is made."""
    text = str(body)
    told = ("Traceback", 'File "', "asyncpg", "site-packages", "psycopg", "SELECT ", "/functions/")
    return isinstance(body, dict) and "error" in body and not any(word in text for word in told)
