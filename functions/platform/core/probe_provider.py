"""Testing a tenant's provider: can it be reached, and does it take the key."""

import time
from dataclasses import dataclass, field
from typing import Protocol

from functions.kit.errors import NotFound
from functions.kit.secrets import Place
from functions.platform.core.models import Provider, ProviderKind, tenant_id_of


class ProviderNotFound(NotFound):
    """The tenant has no provider of this name."""

    code = "provider_not_found"


@dataclass(frozen=True, slots=True)
class ProviderAccess:
    """What it takes to call a provider. Lives in memory only."""

    kind: ProviderKind
    base_url: str | None
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a provider cannot be used, in our words: the provider's own could repeat the key."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How a test went.

    Attributes:
        latency_ms: milliseconds until the answer, or until it was given up.
    """

    latency_ms: int
    trouble: Trouble | None = None


class StoredProviders(Protocol):
    """The providers as they are stored, read at once: no connection is held while a provider takes its time."""

    async def find(self, tenant_id: str, name: str) -> Provider | None:
        """The tenant's provider of that name.

        Raises:
            TenantNotFound: there is no such tenant.
        """
        ...


class Opener(Protocol):
    """Opens what was encrypted under a tenant's data key."""

    async def decrypt(self, place: Place, ciphertext: bytes) -> bytes:
        """The secret stored at the place."""
        ...


class Prober(Protocol):
    """Calls a provider in the least costly way that needs the key."""

    async def list_models(self, access: ProviderAccess) -> Trouble | None:
        """Ask for the list of models; None when it came."""
        ...


class ProbeProvider:
    """Tests a provider."""

    def __init__(self, providers: StoredProviders, opener: Opener, prober: Prober) -> None:
        self._providers = providers
        self._opener = opener
        self._prober = prober

    async def __call__(self, tenant_id: str, name: str) -> ProbeResult:
        """Ask the provider for its models.

        Raises:
            TenantNotFound: there is no such tenant.
            ProviderNotFound: it has no such provider.
        """
        tenant_id = tenant_id_of(tenant_id)
        provider = await self._providers.find(tenant_id, name)
        if provider is None:
            raise ProviderNotFound("the tenant has no provider of this name")
        if provider.secret is None:
            return ProbeResult(0, Trouble("key_elsewhere", "the key is given by secretRef, which is not resolved here"))
        place = Place(tenant_id, "providers", provider.id, "secret")
        key = (await self._opener.decrypt(place, provider.secret)).decode()
        started = time.perf_counter()
        trouble = await self._prober.list_models(ProviderAccess(provider.kind, provider.base_url, key))
        return ProbeResult(round((time.perf_counter() - started) * 1000), trouble)
