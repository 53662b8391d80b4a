"""Faults and delays that a test asks for, by request header or per API key."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import Field

from functions.kit.models import ApiModel


class Fault(StrEnum):
    """What goes wrong; README.md says how each looks and what is billed."""

    UNAUTHORISED = "401"
    RATE_LIMITED = "429"
    INTERNAL = "500"
    UNAVAILABLE = "503"
    OVERLOADED = "529"
    CONTEXT_LENGTH = "context-length"
    TIMEOUT = "timeout"
    RESET = "reset"
    GARBAGE = "garbage"
    WRONG_CONTENT_TYPE = "wrong-content-type"
    HANG_MID_STREAM = "hang-mid-stream"
    CUT_MID_STREAM = "cut-mid-stream"
    ERROR_MID_STREAM = "error-mid-stream"
    ZERO_USAGE = "zero-usage"
    NO_USAGE = "no-usage"
    LONG_LINE = "long-line"


ANY_KEY = "*"


class FaultRule(ApiModel):
    """The body of `POST /_sim/faults`.

    Attributes:
        key: the API key whose calls are affected; `*` for every key that has no rule of its own.
        times: how many calls are affected; all until the rules are deleted when absent.
        cached_tokens: of the prompt, told and billed as read from the provider's cache; `written_tokens` as kept there.
        reasoning_tokens: of the answer, told as thoughts.
    """

    key: str
    fault: Fault | None = None
    times: int | None = Field(default=None, ge=1)
    latency_ms: float = Field(default=0, ge=0)
    chunk_delay_ms: float = Field(default=0, ge=0)
    retry_after_seconds: int = Field(default=1, ge=0)
    cached_tokens: int = Field(default=0, ge=0)
    written_tokens: int = Field(default=0, ge=0)
    reasoning_tokens: int = Field(default=0, ge=0)


@dataclass(frozen=True, slots=True)
class Conduct:
    """How one call shall behave.

    Attributes:
        latency: seconds before the answer starts.
        chunk_delay: seconds between the chunks of a stream.
        retry_after: seconds that a 429 asks the client to wait.
        cached: tokens of the prompt that are read from the cache; `written` are kept there.
        reasoning: tokens of the answer that are thoughts.
    """

    fault: Fault | None = None
    latency: float = 0
    chunk_delay: float = 0
    retry_after: int = 1
    cached: int = 0
    written: int = 0
    reasoning: int = 0

    @classmethod
    def of(cls, rule: FaultRule) -> "Conduct":
        """The conduct that `rule` asks for."""
        return cls(
            rule.fault,
            rule.latency_ms / 1000,
            rule.chunk_delay_ms / 1000,
            rule.retry_after_seconds,
            rule.cached_tokens,
            rule.written_tokens,
            rule.reasoning_tokens,
        )


_HEADERS = {
    "x-sim-fault": "fault",
    "x-sim-latency-ms": "latencyMs",
    "x-sim-chunk-delay-ms": "chunkDelayMs",
    "x-sim-retry-after": "retryAfterSeconds",
}


class FaultBook:
    """The rules set through the admin API; a key's rules apply one after the other."""

    def __init__(self) -> None:
        self._rules: dict[str, list[FaultRule]] = {}

    def add(self, rule: FaultRule) -> None:
        """Queue `rule` behind the key's earlier ones."""
        self._rules.setdefault(rule.key, []).append(rule)

    def clear(self, key: str | None = None) -> None:
        """Forget the rules of all keys or of one."""
        if key is None:
            self._rules.clear()
        else:
            self._rules.pop(key, None)

    def report(self) -> list[dict[str, Any]]:
        """What is still to happen; `times` is what is left."""
        return [rule.model_dump(mode="json", by_alias=True) for rules in self._rules.values() for rule in rules]

    def conduct(self, key: str, headers: Mapping[str, str]) -> Conduct:
        """How this call shall behave: by its own `x-sim-*` headers, else by the key's rule, which it uses up once.

        Raises:
            pydantic.ValidationError: a header's value is unknown.
        """
        asked = {name: headers[header] for header, name in _HEADERS.items() if header in headers}
        if asked:
            return Conduct.of(FaultRule.model_validate({"key": key, **asked}))
        rule = self._take(key) or self._take(ANY_KEY)
        return Conduct.of(rule) if rule else Conduct()

    def _take(self, key: str) -> FaultRule | None:
        rules = self._rules.get(key)
        if not rules:
            return None
        rule = rules[0]
        if rule.times is not None:
            rule.times -= 1
            if rule.times == 0:
                rules.pop(0)
        return rule
