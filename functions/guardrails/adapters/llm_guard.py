"""LLM Guard as a service (Protect AI's `llm-guard-api`).

Wire format: `POST /scan/prompt` with `{"prompt", "scanners_suppress"}`, `POST /scan/output` with `{"prompt", "output",
"scanners_suppress"}`; both answer `{"is_valid", "scanners": {"<Scanner>": <risk score>}}`. A score below zero says that
the scanner saw no risk. Optional `Authorization: Bearer`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from functions.guardrails.core.errors import DetectorUnavailable
from functions.guardrails.core.models import Kind, Match, Part, Severity

_KINDS = {
    "PromptInjection": (Kind.PROMPT_INJECTION, "injection_likely", Severity.HIGH),
    "InvisibleText": (Kind.PROMPT_INJECTION, "hidden_text", Severity.HIGH),
    "Secrets": (Kind.SECRET, "SECRET", Severity.HIGH),
    "Anonymize": (Kind.PII, "PII", Severity.MEDIUM),
    "Sensitive": (Kind.PII, "PII", Severity.MEDIUM),
}
_MOST_CHARACTERS = 32_000
_MOST_BYTES = 1 << 20


class LlmGuard:
    """What a tenant's or the platform's LLM Guard says of user messages, tool results and answers.

    Args:
        base_url: of the service, e.g. `http://llm-guard:8000`.
        threshold: the risk score from which on a scanner's word is reported.
        suppress: names of scanners not to run.
    """

    name = "llm-guard"

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        *,
        token: str = "",
        threshold: float = 0.5,
        timeout_seconds: float = 10.0,
        suppress: Sequence[str] = (),
    ) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._threshold = threshold
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._suppress = list(suppress)

    async def detect(self, parts: Sequence[Part]) -> list[Match]:
        """One match per scanner and part beyond the threshold; system and developer messages are not sent.

        Raises:
            DetectorUnavailable: the service did not answer in its format.
        """
        asked = ""
        found: list[Match] = []
        for index, part in enumerate(parts):
            text = part.text[:_MOST_CHARACTERS]
            if part.role == "user":
                asked = text
            if part.role in {"user", "tool"} and text.strip():
                found += self._matches(index, part, await self._scan("prompt", {"prompt": text}))
            elif part.role == "assistant" and text.strip():
                found += self._matches(index, part, await self._scan("output", {"prompt": asked, "output": text}))
        return found

    async def _scan(self, what: str, body: Mapping[str, Any]) -> Mapping[str, float]:
        try:
            async with self._session.post(
                f"{self._base_url}/scan/{what}",
                json={**body, "scanners_suppress": self._suppress},
                headers=self._headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    raise DetectorUnavailable(f"LLM Guard answered {response.status}")
                if (response.content_length or 0) > _MOST_BYTES:
                    raise DetectorUnavailable("LLM Guard answered too much")
                scanners = (await response.json())["scanners"]
                return {str(name): float(score) for name, score in scanners.items()}
        except (TimeoutError, aiohttp.ClientError) as error:
            raise DetectorUnavailable(f"LLM Guard is away: {type(error).__name__}") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DetectorUnavailable("LLM Guard answered another format") from error

    def _matches(self, index: int, part: Part, scores: Mapping[str, float]) -> list[Match]:
        return [
            self._match(index, part, scanner, score) for scanner, score in scores.items() if score >= self._threshold
        ]

    def _match(self, index: int, part: Part, scanner: str, score: float) -> Match:
        kind, name, severity = _KINDS.get(scanner, (Kind.UNSAFE_CONTENT, scanner.lower(), Severity.MEDIUM))
        return Match(
            part=index,
            start=0,
            end=len(part.text),
            kind=kind,
            type=name,
            detector=self.name,
            rule=f"llm-guard.{scanner}",
            severity=severity,
            score=round(min(1.0, score), 4),
        )
