"""What is said of what guardrails find."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from functions.kit.events import EventData
from functions.kit.models import ApiModel


class GuardrailFinding(ApiModel):
    """Something that a detector saw in a call, without the secret itself."""

    kind: Literal["prompt_injection", "pii", "secret", "unsafe_content"]
    type: str = Field(description="What it is, e.g. `EMAIL_ADDRESS` or `instruction_override`.")
    detector: str
    rule: str = Field(description="Which of the detector's rules, or which model.")
    severity: Literal["low", "medium", "high", "critical"]
    score: float = Field(ge=0, le=1, description="Confidence.")
    count: int = Field(ge=1, description="How often the same value was found in the call.")
    where: Literal["request", "tool", "answer"] = Field(description="`tool`: in a tool's result.")
    excerpt: str = Field(description="The surroundings, everything personal or secret replaced by its type.")


class GuardrailAlerted(EventData):
    """Guardrails found something in a call, which went on all the same: said once per call."""

    subject: ClassVar[str] = "guardrail.alerted"
    tenant_id: str
    usage_id: str
    request_id: str
    at: datetime = Field(description="When the call began.")
    api_key_id: str | None = None
    user_id: str | None = None
    provider: str
    model: str
    mode: Literal["detect"] = "detect"
    severity: Literal["low", "medium", "high", "critical"] = Field(description="Of the gravest finding.")
    findings: list[GuardrailFinding] = Field(min_length=1, max_length=50)
    dropped: int = Field(0, ge=0, description="Findings beyond those told.")
