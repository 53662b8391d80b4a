"""Rules for prompt injection, over the meanings of words and over the text itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from functions.guardrails.core.injection.lexicon import Tokens


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; exactly one of `signs`, `literal` and `squeezed` is its pattern.

    Attributes:
        alone: holds also where the classifier takes the text for honest.
    """

    id: str
    type: str
    severity: str
    score: float
    roles: frozenset[str]
    signs: re.Pattern[str] | None
    literal: re.Pattern[str] | None
    squeezed: re.Pattern[str] | None
    needs: tuple[str, ...]
    alone: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a rule matched: characters of the text it was given."""

    rule: Rule
    start: int
    end: int


@cache
def rules() -> tuple[Rule, ...]:
    """The rules that ship with the package."""
    listed = yaml.safe_load(files(__package__).joinpath("rules.yaml").read_text("utf-8"))
    return tuple(_rule(entry) for entry in listed)


def matches(role: str, text: str, lowered: str, found: Tokens, signs: str, *, squeezed: bool) -> Iterator[Hit]:
    """The first place of every rule that matches.

    Args:
        found: the text's tokens, `signs` their meanings.
        squeezed: whether the text lost its spaces.
    """
    for rule in rules():
        if role not in rule.roles:
            continue
        if rule.signs is not None:
            match = rule.signs.search(signs)
            if match and match.end() > match.start():
                yield Hit(rule, *found.span(match.start(), match.end()))
        elif rule.literal is not None:
            match = rule.literal.search(text) if any(need in lowered for need in rule.needs) else None
            if match:
                yield Hit(rule, match.start(), match.end())
        elif rule.squeezed is not None and squeezed:
            yield from _squeezed(rule, rule.squeezed, lowered)


def _squeezed(rule: Rule, pattern: re.Pattern[str], lowered: str) -> Iterator[Hit]:
    letters = [at for at, character in enumerate(lowered) if character.isalpha()]
    match = pattern.search("".join(lowered[at] for at in letters))
    if match:
        yield Hit(rule, letters[match.start()], letters[match.end() - 1] + 1)


def _rule(entry: dict[str, object]) -> Rule:
    def pattern(name: str, flags: int = 0) -> re.Pattern[str] | None:
        return re.compile(str(entry[name]), flags) if name in entry else None

    roles, needs = entry.get("roles", ["user", "tool"]), entry.get("needs", [])
    return Rule(
        id=str(entry["id"]),
        type=str(entry["type"]),
        severity=str(entry["severity"]),
        score=float(str(entry["score"])),
        roles=frozenset(roles if isinstance(roles, list) else []),
        signs=pattern("signs"),
        literal=pattern("literal", re.IGNORECASE),
        squeezed=pattern("squeezed"),
        needs=tuple(str(need) for need in needs) if isinstance(needs, list) else (),
        alone=entry.get("alone", False) is True,
    )
