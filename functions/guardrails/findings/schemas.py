"""Guardrails and findings on the wire."""

from datetime import datetime

from pydantic import Field

from functions.guardrails.core.ports import StoredFinding
from functions.guardrails.core.settings import GuardrailSettings
from functions.kit.subjects import GuardrailFinding


class PutGuardrailsBody(GuardrailSettings):
    """All of a tenant's guardrails; what is left out takes its default."""

    def wanted(self) -> GuardrailSettings:
        """As the use case takes them."""
        return GuardrailSettings(enabled=self.enabled, mode=self.mode, detectors=self.detectors)


class Finding(GuardrailFinding):
    """Something found in a call, which went on all the same."""

    id: str
    usage_id: str = Field(description="The call, as usage records name it.")
    at: datetime = Field(description="When the call began.")
    request_id: str
    api_key_id: str | None
    user_id: str | None
    provider: str
    model: str

    @classmethod
    def of(cls, stored: StoredFinding) -> "Finding":
        """From what the use case gives."""
        return cls(
            **dict(stored.finding),
            id=stored.id,
            usage_id=stored.usage_id,
            at=stored.at,
            request_id=stored.request_id,
            api_key_id=stored.api_key_id,
            user_id=stored.user_id,
            provider=stored.provider,
            model=stored.model,
        )
