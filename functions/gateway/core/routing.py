"""Which provider a model name means."""

from collections.abc import Mapping, Sequence

from functions.gateway.core.errors import ModelNotFound, ProviderNotConfigured
from functions.gateway.core.models import Caller, Json, Provider, Target
from functions.gateway.core.ports import ProviderDirectory


def resolve(model: str, providers: Sequence[Provider], aliases: Mapping[str, str]) -> Target:
    """Find the provider of a model.

    An alias stands for what it leads to, and hides a model of its name. `provider/model` names both. A bare name goes
    to the provider that lists it, else to the only provider that allows every model. An empty name takes the first
    default model.

    Raises:
        ProviderNotConfigured: the tenant has no provider.
        ModelNotFound: no provider offers the model, or several could and none lists it.
    """
    if not providers:
        raise ProviderNotConfigured(
            "no provider is configured for this tenant; PUT /v1/tenants/{id}/providers adds one"
        )
    model = _unaliased(model, aliases)
    named, slash, rest = model.partition("/")
    if slash:
        for provider in providers:
            if provider.name == named:
                return _allowed(provider, rest)
    listing = [provider for provider in providers if model in provider.models]
    open_ones = [provider for provider in providers if not provider.models]
    if listing:
        return Target(listing[0], model)
    if len(open_ones) == 1:
        return Target(open_ones[0], model)
    hint = "say which provider: provider/model" if open_ones else "no provider of this tenant offers it"
    raise ModelNotFound(f"model {model!r} was not found; {hint}", details=_known(providers))


async def resolved(caller: Caller, body: Json, directory: ProviderDirectory) -> Target:
    """Where a caller's request goes.

    Raises:
        DependencyUnavailable: the database is away and the tenant's providers are not known from before.
        DcoderError: see `resolve`.
    """
    providers = await directory.providers(caller.tenant_id)
    return resolve(str(body.get("model") or ""), providers, caller.settings.model_aliases)


def _unaliased(model: str, aliases: Mapping[str, str]) -> str:
    # Circles are refused where aliases are made; whatever is stored, this ends.
    for _ in range(len(aliases)):
        if model not in aliases:
            break
        model = aliases[model]
    return model


def _allowed(provider: Provider, model: str) -> Target:
    if not model or (provider.models and model not in provider.models):
        raise ModelNotFound(f"provider {provider.name!r} does not offer {model!r}", details=_known([provider]))
    return Target(provider, model)


def _known(providers: Sequence[Provider]) -> dict[str, list[str]]:
    return {"models": sorted(f"{p.name}/{model}" for p in providers for model in p.models)[:50]}
