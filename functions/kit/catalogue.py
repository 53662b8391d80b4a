"""The catalogue of functions: every `func.yaml` below `functions/`, read without importing a function."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml

from functions.kit.schedules import DUE, Schedule

ROOT = Path(__file__).resolve().parent.parent
_PREFIX = "dcoder.dev/"
_UNITS = {"": 1, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}
_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}


# The same safe loader in C, where PyYAML was built with it: in Python the catalogue is a fifth of a cold start.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class CatalogueError(ValueError):
    """A `func.yaml` is wrong; the message names the file and the field."""


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """A method and a path template such as `/v1/tenants/{tenantId}`."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Knative's autoscaling bounds."""

    min: int = 0
    max: int = 20
    metric: str = "concurrency"
    target: int = 20


@dataclass(frozen=True, slots=True)
class Function:
    """One deployable function.

    Attributes:
        body_limit: largest request body in bytes.
        concurrency: requests one instance serves at once.
        subscriptions: event types that trigger it (event functions only).
        schedule: when it is due; it is then called with a `schedule.due`, which is no subject to subscribe to.
        grants: privileged settings that it needs and others must not have, such as `database-admin`.
    """

    name: str
    context: str
    folder: Path
    kind: Literal["http", "event"]
    host: str
    routes: tuple[Route, ...]
    public: bool
    body_limit: int
    timeout_seconds: int
    stream: bool
    subscriptions: tuple[str, ...]
    schedule: Schedule | None
    scale: Scale
    resources: Mapping[str, Mapping[str, str]]
    concurrency: int
    envs: Mapping[str, str]
    grants: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """Dotted name of the module that holds `app` or `handle`."""
        return f"functions.{self.context}.{self.folder.name}.main"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All functions, ordered by name."""

    functions: tuple[Function, ...]

    def __iter__(self) -> Iterator[Function]:
        return iter(self.functions)

    def by_name(self, name: str) -> Function:
        """The function of that name.

        Raises:
            KeyError: there is none; the message lists those there are.
        """
        for function in self.functions:
            if function.name == name:
                return function
        raise KeyError(f"no function {name!r}; there are: {', '.join(f.name for f in self.functions)}")

    def http(self) -> tuple[Function, ...]:
        """The functions that answer HTTP."""
        return tuple(f for f in self.functions if f.kind == "http")

    def events(self) -> tuple[Function, ...]:
        """The functions that handle events."""
        return tuple(f for f in self.functions if f.kind == "event")

    def subscribed(self) -> tuple[Function, ...]:
        """The functions that events of the bus trigger."""
        return tuple(f for f in self.functions if f.subscriptions)

    def scheduled(self) -> tuple[Function, ...]:
        """The functions that the clock triggers."""
        return tuple(f for f in self.functions if f.schedule)

    def in_host(self, group: str) -> tuple[Function, ...]:
        """The functions that the embedded host `group` serves."""
        return tuple(f for f in self.functions if f.host == group)


@lru_cache(maxsize=4)
def load_catalogue(root: Path = ROOT) -> Catalogue:
    """Read every `<root>/<context>/<function>/func.yaml`.

    Raises:
        CatalogueError: a file is wrong, or two functions share a name or a route.
    """
    functions = sorted((_read(path) for path in root.glob("*/*/func.yaml")), key=lambda f: f.name)
    owners: dict[object, str] = {}
    for function in functions:
        for claim in (function.name, *((r.method, _shape(r.path)) for r in function.routes)):
            if claim in owners:
                raise CatalogueError(f"{function.folder}: {claim} is already taken by {owners[claim]}")
            owners[claim] = function.name
    return Catalogue(tuple(functions))


def _read(path: Path) -> Function:
    try:
        document = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 - it is one of the safe ones
        return _function(document, path.parent)
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CatalogueError(f"{path}: {type(error).__name__}: {error}") from error


def _function(document: Mapping[str, Any], folder: Path) -> Function:
    deploy = document["deploy"]
    notes = {k.removeprefix(_PREFIX): str(v) for k, v in deploy.get("annotations", {}).items()}
    options = deploy.get("options", {})
    resources = options.get("resources", {})
    kind = notes["kind"]
    if kind not in {"http", "event"}:
        raise ValueError(f"{_PREFIX}kind must be http or event, not {kind!r}")
    context, expected = folder.parent.name, f"{folder.parent.name}-{folder.name.replace('_', '-')}"
    if document["name"] != expected:
        raise ValueError(f"name must be {expected}")
    subscriptions = tuple(s["filters"]["type"] for s in deploy.get("subscriptions", ()))
    routes = tuple(_routes(notes.get("routes", "")))
    if not (routes if kind == "http" else subscriptions or "schedule" in notes):
        raise ValueError("an http function needs routes, an event function subscriptions or a schedule")
    if DUE in subscriptions or ("schedule" in notes and kind == "http"):
        raise ValueError(f"{DUE} comes of the annotation {_PREFIX}schedule, to an event function")
    return Function(
        name=expected,
        context=context,
        folder=folder,
        kind="http" if kind == "http" else "event",
        host=notes.get("host", "api" if kind == "http" else "events"),
        routes=routes,
        public=notes.get("public", "false") == "true",
        body_limit=_bytes(notes.get("body-limit", "1Mi")),
        timeout_seconds=int(notes.get("timeout", "60")),
        stream=notes.get("stream", "false") == "true",
        subscriptions=subscriptions,
        schedule=Schedule.parse(notes["schedule"]) if "schedule" in notes else None,
        scale=Scale(**options.get("scale", {})),
        resources={part: {k: str(v) for k, v in resources.get(part, {}).items()} for part in ("requests", "limits")},
        concurrency=int(resources.get("limits", {}).get("concurrency", 20)),
        envs={e["name"]: str(e["value"]) for e in document.get("run", {}).get("envs", ())},
        grants=tuple(notes.get("grants", "").split()),
    )


def _routes(text: str) -> Iterator[Route]:
    for line in text.splitlines():
        if line.strip():
            method, path = line.split()
            if method not in _METHODS or not path.startswith("/"):
                raise ValueError(f"not a route: {line.strip()!r}")
            yield Route(method, path)


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)(Ki|Mi|Gi)?", text)
    if match is None:
        raise ValueError(f"not a size: {text!r}")
    return int(match[1]) * _UNITS[match[2] or ""]


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "{}", path)
