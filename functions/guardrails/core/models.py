"""What is examined, and what is found in it."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import Literal

from functions.guardrails.core.normalise import View, views

Role = Literal["system", "developer", "user", "assistant", "tool"]
Decision = Literal["detect", "block"]


class Kind(StrEnum):
    """What a finding is about."""

    PROMPT_INJECTION = "prompt_injection"
    PII = "pii"
    SECRET = "secret"  # noqa: S105 - a kind, no password
    UNSAFE_CONTENT = "unsafe_content"


class Severity(IntEnum):
    """How much a finding matters; ordered, so that an alert can ask for `>= HIGH`."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True)
class Part:
    """One text of a call and who said it. A retrieved document counts as a tool's result.

    Attributes:
        name: the tool's name where there is one.
    """

    role: Role
    text: str
    name: str = ""

    @cached_property
    def views(self) -> tuple[View, ...]:
        """The text as written, then as a model may read it through disguises; made once, when first asked for."""
        return views(self.text)


@dataclass(frozen=True, slots=True)
class Match:
    """What one detector saw, in the part's own characters.

    Attributes:
        part: index of the part.
        type: what it is, e.g. `EMAIL_ADDRESS` or `instruction_override`.
        rule: which rule said so, e.g. `pii.iban`; a model's name for a model.
        score: confidence between 0 and 1.
        disguise: how it was hidden, e.g. `base64`; empty when it stood there in the clear.
    """

    part: int
    start: int
    end: int
    kind: Kind
    type: str
    detector: str
    rule: str
    severity: Severity
    score: float
    disguise: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A match as it is stored and sent: it says what was found and where, never the secret itself.

    Attributes:
        part: index of the part among those examined; `start` and `end` are characters in it.
        excerpt: the surroundings with everything personal or secret replaced by its type.
        occurrences: how often the same value was found in the call.
    """

    kind: Kind
    type: str
    detector: str
    rule: str
    severity: Severity
    score: float
    role: Role
    part: int
    start: int
    end: int
    excerpt: str
    disguise: str = ""
    occurrences: int = 1


@dataclass(frozen=True, slots=True)
class Examination:
    """The outcome of examining a call.

    Attributes:
        findings: gravest first, without duplicates, capped.
        failed: detectors that gave no answer.
        dropped: findings beyond the cap.
        unread_characters: text beyond what is read per call.
    """

    findings: tuple[Finding, ...]
    decision: Decision
    failed: tuple[str, ...] = ()
    dropped: int = 0
    unread_characters: int = 0
