"""Port: what the edge is told of tenants."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class EdgeTenant:
    """A tenant as the edge sees it.

    Attributes:
        plan: chooses the rate class; a plan the edge does not know gets its default class.
        status: `suspended` is refused at the edge, everything else passes on to the functions.
        key_hashes: SHA-256 hex of the API keys in force.
        revoked_hashes: the same of keys that were revoked.
        requests_per_minute: the tenant's own hard limit on calls of models; None without one.
    """

    id: str
    slug: str
    plan: str
    status: str
    key_hashes: tuple[str, ...] = ()
    revoked_hashes: tuple[str, ...] = ()
    requests_per_minute: int | None = None


def coarse_limit(requests_per_minute: int) -> int:
    """What the edge lets through of a limit that the gateway holds exactly.

    More: the edge also counts calls that are then refused or given back, and must refuse nobody whom the gateway would
    let in. It keeps floods away.
    """
    return requests_per_minute + max(10, requests_per_minute // 5)


class EdgeAdmin(Protocol):
    """The edge's own record of tenants: limits to apply and credentials to turn away early."""

    async def sync(self, tenants: Sequence[EdgeTenant]) -> None:
        """Make `tenants` all the edge knows. Sound to repeat; of calls that overlap, the latest wins."""
        ...
