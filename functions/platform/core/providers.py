"""A tenant's providers: read, and replaced as a set."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from functions.kit.clock import utc_now
from functions.kit.identifiers import new_id
from functions.kit.secrets import Place
from functions.kit.subjects import ProviderUpdated
from functions.platform.core.errors import ProviderKeyMissing, TenantNotFound
from functions.platform.core.models import Provider, ProviderDraft, tenant_id_of
from functions.platform.core.ports import Egress, Events, Providers, Secrets, Tenants

# A shorter key would be half given away by its last four characters.
_SHORTEST_HINTED_KEY = 12


class GetProviders:
    """Reads a tenant's providers."""

    def __init__(self, tenants: Tenants, providers: Providers) -> None:
        self._tenants = tenants
        self._providers = providers

    async def __call__(self, tenant_id: str) -> Sequence[Provider]:
        """In the order the tenant gave them.

        Raises:
            TenantNotFound: there is no such tenant.
        """
        tenant = await self._tenants.find(tenant_id_of(tenant_id))
        if tenant is None:
            raise TenantNotFound("there is no such tenant")
        return await self._providers.of_tenant(tenant.id)


class PutProviders:
    """Replaces a tenant's providers."""

    def __init__(
        self, tenants: Tenants, providers: Providers, secrets: Secrets, egress: Egress, events: Events
    ) -> None:
        self._tenants = tenants
        self._providers = providers
        self._secrets = secrets
        self._egress = egress
        self._events = events

    async def __call__(self, tenant_id: str, drafts: Sequence[ProviderDraft]) -> Sequence[Provider]:
        """Make the drafts all that the tenant has; one that is given by name without a key keeps its stored key.

        Raises:
            TenantNotFound: there is no such tenant.
            EgressDenied: a base URL is not one the platform calls.
            ProviderKeyMissing: a provider has neither a key nor a stored one that was given for this kind and host.
        """
        for draft in drafts:
            if draft.base_url is not None:
                self._egress.check_url(draft.base_url, draft.kind)
        tenant = await self._tenants.lock(tenant_id_of(tenant_id))
        if tenant is None:
            raise TenantNotFound("there is no such tenant")
        stored = {provider.name: provider for provider in await self._providers.of_tenant(tenant.id)}
        providers = [await self._provider(tenant.id, draft, stored.get(draft.name)) for draft in drafts]
        await self._providers.replace(tenant.id, providers)
        self._events.publish(ProviderUpdated(tenant_id=tenant.id, providers=[p.name for p in providers]), tenant.id)
        return providers

    async def _provider(self, tenant_id: str, draft: ProviderDraft, stored: Provider | None) -> Provider:
        now = utc_now()
        provider = Provider(
            id=stored.id if stored else new_id(),
            name=draft.name,
            kind=draft.kind,
            base_url=draft.base_url,
            models=draft.models,
            embedding_model=draft.embedding_model,
            default_model=draft.default_model,
            secret=stored.secret if stored else None,
            secret_ref=stored.secret_ref if stored else None,
            key_hint=stored.key_hint if stored else None,
            created_at=stored.created_at if stored else now,
            updated_at=stored.updated_at if stored else now,
        )
        if draft.api_key is not None:
            place = Place(tenant_id, "providers", provider.id, "secret")
            secret = await self._secrets.encrypt(place, draft.api_key.encode())
            provider = replace(provider, secret=secret, secret_ref=None, key_hint=_hint(draft.api_key))
        elif draft.secret_ref is not None:
            provider = replace(provider, secret=None, secret_ref=draft.secret_ref, key_hint=None)
        elif stored is None or not _same_recipient(draft, stored):
            raise ProviderKeyMissing(
                f"provider {draft.name}: apiKey or secretRef is needed", details={"name": draft.name}
            )
        return provider if provider == stored else replace(provider, updated_at=now)


def _same_recipient(draft: ProviderDraft, stored: Provider) -> bool:
    """Whether a stored key would go to the one it was given for: else it could be sent where its owner never meant."""
    return draft.kind == stored.kind and _origin(draft.base_url) == _origin(stored.base_url)


def _origin(url: str | None) -> str:
    parts = urlsplit(url or "")
    return f"{parts.scheme}://{parts.netloc}".lower()


def _hint(key: str) -> str | None:
    return key[-4:] if len(key) >= _SHORTEST_HINTED_KEY else None
