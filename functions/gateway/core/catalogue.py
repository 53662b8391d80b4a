"""The models that a caller may name."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from functions.gateway.core.errors import ModelNotFound, ProviderNotConfigured
from functions.gateway.core.models import Caller, Target
from functions.gateway.core.ports import ProviderDirectory
from functions.gateway.core.routing import resolve


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model under a name that requests may use.

    Attributes:
        alias: the name is the tenant's own.
    """

    name: str
    target: Target
    alias: bool = False

    @property
    def full_name(self) -> str:
        """`provider/model`."""
        return f"{self.target.provider.name}/{self.target.model}"


class ModelCatalogue:
    """Lists the models of a caller's tenant."""

    def __init__(self, directory: ProviderDirectory) -> None:
        self._directory = directory

    async def all(self, caller: Caller) -> list[NamedModel]:
        """What providers list and what aliases name, as far as the caller may call it.

        Raises:
            DependencyUnavailable: the database is away and the tenant's providers are not known from before.
        """
        return [named async for named in self._named(caller) if caller.may_call(named.target)]

    async def one(self, caller: Caller, name: str) -> NamedModel:
        """The model of a name, listed or taken by a provider that lists none.

        Raises:
            ModelNotFound: no provider offers it.
            Forbidden: the caller may not call it.
        """
        aliases = caller.settings.model_aliases
        target = resolve(name, await self._directory.providers(caller.tenant_id), aliases)
        caller.ensure_may_call(target)
        found = NamedModel(name, target, name in aliases)
        return found if found.alias else NamedModel(found.full_name, target)

    async def _named(self, caller: Caller) -> AsyncIterator[NamedModel]:
        providers = await self._directory.providers(caller.tenant_id)
        for provider in providers:
            for model in sorted(set(provider.models)):
                yield NamedModel(f"{provider.name}/{model}", Target(provider, model))
        aliases = caller.settings.model_aliases
        for alias in sorted(aliases):
            try:
                yield NamedModel(alias, resolve(alias, providers, aliases), alias=True)
            except (ModelNotFound, ProviderNotConfigured):
                # It led to a provider that the tenant has no more.
                continue
