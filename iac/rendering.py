"""All objects of a stack, room by room, as plain data: what Pulumi registers, policies judge and tests read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from iac.charts import Chart, charts
from iac.manifests import Manifest, describe
from iac.rooms import (
    background,
    clients,
    cluster,
    events,
    flagsmith,
    functions,
    identity,
    knative,
    kong,
    llmops,
    migrations,
    objects,
    observability,
    postgres,
    redis,
    settings,
    workflows,
)
from iac.stack import Platform


@dataclass(frozen=True, slots=True)
class Room:
    """A part of the platform that is deployed as one.

    Attributes:
        after: rooms whose objects must be there (and ready, where the stack waits) before.
    """

    name: str
    objects: Callable[[Platform], Iterable[Manifest]]
    after: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What its component is to Pulumi."""
        return f"dcoder:rooms:{self.name.title().replace('-', '')}"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A room of one stack."""

    room: Room
    manifests: tuple[Manifest, ...]
    charts: tuple[Chart, ...]


ROOMS: tuple[Room, ...] = (
    Room("cluster", cluster.objects),
    Room("settings", settings.objects, after=("cluster",)),
    Room("objects", objects.objects, after=("cluster",)),
    Room("postgres", postgres.objects, after=("objects",)),
    Room("redis", redis.objects, after=("cluster",)),
    Room("events", events.objects, after=("settings",)),
    Room("migrations", migrations.objects, after=("settings", "postgres", "objects")),
    Room("knative", knative.objects, after=("cluster",)),
    Room("observability", observability.objects, after=("objects",)),
    Room("workflows", workflows.objects, after=("postgres", "redis")),
    Room("background", background.objects, after=("migrations", "redis", "cluster")),
    Room("functions", functions.objects, after=("knative", "migrations", "redis", "events")),
    Room("kong", kong.objects, after=("knative", "redis", "objects")),
    Room("identity", identity.objects, after=("postgres",)),
    Room("flagsmith", flagsmith.objects, after=("postgres",)),
    Room("llmops", llmops.objects, after=("postgres", "redis", "objects")),
    Room("clients", clients.objects, after=("postgres",)),
)


class Ambiguous(Exception):
    """Two rooms make the same object; the message names it."""


def render(platform: Platform) -> tuple[Rendered, ...]:
    """Every room of the stack.

    Raises:
        UnknownImage: images have no digest; all of them are told at once.
        ConfigurationError: settings that do not go together.
        Ambiguous: an object is made twice.
    """
    rendered = tuple(
        Rendered(room, tuple(room.objects(platform)), tuple(charts(room.name, platform))) for room in ROOMS
    )
    platform.check_images()
    seen: dict[str, str] = {}
    for one in rendered:
        for item in one.manifests:
            name = f"{item['apiVersion']} {describe(item)}"
            if name in seen:
                raise Ambiguous(f"{name} is made by {seen[name]} and by {one.room.name}")
            seen[name] = one.room.name
    return rendered
