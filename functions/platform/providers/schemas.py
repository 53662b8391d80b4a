"""Providers on the wire. Keys come in and never go out."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from functions.kit.models import ApiModel
from functions.platform.core.models import ProviderDraft, ProviderKind
from functions.platform.core.probe_provider import ProbeResult

_MOST_PROVIDERS = 20
_LONGEST_KEY = 8192
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"

Model = Annotated[str, Field(max_length=256, pattern=_PRINTABLE)]


class ProviderInput(ApiModel):
    """A provider as it is given.

    With neither `apiKey` nor `secretRef` the key stored under the name stays, as long as kind and host stay too.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Unique within the tenant.")]
    kind: ProviderKind
    api_key: Annotated[SecretStr | None, Field(description="Stored encrypted, never shown.")] = None
    secret_ref: Annotated[str, Field(max_length=512, pattern=_PRINTABLE)] | None = None
    base_url: Annotated[str, Field(max_length=2048, pattern=_PRINTABLE)] | None = None
    models: Annotated[list[Model], Field(max_length=500, description="Models allowed; empty allows all.")] = Field(
        default_factory=list
    )
    embedding_model: Model | None = None
    default_model: Model | None = None

    @field_validator("api_key")
    @classmethod
    def _key_is_sendable(cls, key: SecretStr | None) -> SecretStr | None:
        """A key goes into a header: visible ASCII, as RFC 9110 has it; a service account's JSON may have spaces."""
        text = key.get_secret_value() if key is not None else None
        if text is not None and not (0 < len(text) <= _LONGEST_KEY and text.isascii() and text.isprintable()):
            raise ValueError(f"must be 1 to {_LONGEST_KEY} printable ASCII characters")
        return key

    @model_validator(mode="after")
    def _one_way_to_the_key(self) -> Self:
        if self.api_key is not None and self.secret_ref is not None:
            raise ValueError("apiKey and secretRef exclude each other")
        return self

    def draft(self) -> ProviderDraft:
        """As the use case takes it."""
        return ProviderDraft(
            name=self.name,
            kind=self.kind,
            api_key=self.api_key.get_secret_value() if self.api_key is not None else None,
            secret_ref=self.secret_ref,
            base_url=self.base_url,
            models=tuple(dict.fromkeys(self.models)),
            embedding_model=self.embedding_model,
            default_model=self.default_model,
        )


class PutProvidersBody(ApiModel):
    """All the providers a tenant is to have, in the order in which they are asked for a model."""

    providers: Annotated[list[ProviderInput], Field(max_length=_MOST_PROVIDERS)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [provider.name for provider in self.providers]
        if len(set(names)) < len(names):
            raise ValueError("two providers have the same name")
        return self


class Provider(ApiModel):
    """A provider as it is shown."""

    id: str
    name: str
    kind: ProviderKind
    base_url: str | None
    models: list[str]
    embedding_model: str | None
    default_model: str | None
    key_masked: Annotated[str | None, Field(description="The key's last characters; null with `secretRef`.")]
    secret_ref: str | None
    created_at: datetime
    updated_at: datetime


class ProviderList(ApiModel):
    """All the providers a tenant has."""

    providers: list[Provider]


class ProviderTrouble(ApiModel):
    """Why a provider cannot be used. Nothing that the provider said is repeated."""

    code: str
    message: str


class ProviderTest(ApiModel):
    """How the test of a connection went."""

    ok: bool
    latency_ms: Annotated[int, Field(ge=0)]
    error: ProviderTrouble | None = None

    @classmethod
    def of(cls, result: ProbeResult) -> "ProviderTest":
        """From what the use case gives."""
        error = ProviderTrouble.model_validate(result.trouble) if result.trouble else None
        return cls(ok=error is None, latency_ms=result.latency_ms, error=error)
