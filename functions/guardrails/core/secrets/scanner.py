"""Finds credentials in a text and in what is encoded in it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from functions.guardrails.core.models import Kind, Match, Part, Severity
from functions.guardrails.core.pii.scanner import without_overlaps
from functions.guardrails.core.secrets import checks

# A checksum that is wrong makes a credential unlikely, not impossible: issuers change their formats.
_FAILED_CHECKSUM = 0.5
_CHECKSUMS = frozenset(("github",))


@dataclass(frozen=True, slots=True)
class SecretRule:
    """One format of a credential."""

    id: str
    type: str
    severity: Severity
    score: float
    needs: tuple[str, ...]
    pattern: re.Pattern[str]
    entropy: float
    mixed: bool
    check: Callable[[str], bool] | None
    checksum: bool


@cache
def secret_rules() -> tuple[SecretRule, ...]:
    """The rules that ship with the package."""
    listed = yaml.safe_load(files(__package__).joinpath("rules.yaml").read_text("utf-8"))
    return tuple(_rule(entry) for entry in listed)


class SecretScanner:
    """Credentials by format; of rules that match the same text, the most certain."""

    name = "secrets"
    reads_across = False

    def scan(self, index: int, part: Part) -> list[Match]:
        """Everything found in the part and in the payloads encoded in it."""
        found = [
            Match(
                index,
                *view.span(start, end),
                Kind.SECRET,
                rule.type,
                self.name,
                f"secrets.{rule.id}",
                rule.severity,
                score,
                view.disguise,
            )
            for view in part.views
            if view.decoded or view.is_as_written
            for rule, start, end, score in _in_text(view.text)
        ]
        return without_overlaps(found)


def _in_text(text: str) -> Iterator[tuple[SecretRule, int, int, float]]:
    lowered = text.lower()
    for rule in secret_rules():
        if not any(need in lowered for need in rule.needs):
            continue
        for match in rule.pattern.finditer(text):
            start, end = match.span("secret") if "secret" in rule.pattern.groupindex else match.span()
            score = _score(rule, text[start:end])
            if score:
                yield rule, start, end, score


def _score(rule: SecretRule, secret: str) -> float:
    if checks.is_placeholder(secret) or (rule.mixed and not checks.is_mixed(secret)):
        return 0.0
    if rule.entropy and checks.entropy(secret) < rule.entropy:
        return 0.0
    if rule.check is None or rule.check(secret):
        return rule.score
    return _FAILED_CHECKSUM if rule.checksum else 0.0


def _rule(entry: dict[str, Any]) -> SecretRule:
    name = entry.get("check")
    return SecretRule(
        id=entry["id"],
        type=entry["type"],
        severity=Severity[entry["severity"].upper()],
        score=entry["score"],
        needs=tuple(entry["needs"]),
        pattern=re.compile(entry["pattern"]),
        entropy=entry.get("entropy", 0.0),
        mixed=entry.get("mixed", False),
        check=getattr(checks, name) if name else None,
        checksum=name in _CHECKSUMS,
    )
