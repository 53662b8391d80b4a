"""Writes texts from templates: `(a|b)` picks one, `[a|b]` is there or not, `{slot}` is filled from a list."""

import random
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

import yaml

_INNERMOST = re.compile(r"\(([^()\[\]]*\|[^()\[\]]*)\)|\[([^\[\]()]*)\]")
_SLOT = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")
_OPTIONAL_CHANCE = 0.5
_DEEPEST = 40
_SLOTS_OF_TEXT = {"prose": "prose_en"}


@cache
def templates(name: str) -> Mapping[str, Sequence[str]]:
    """The templates of one file of `data/`, by kind."""
    loaded: dict[str, list[str]] = yaml.safe_load(files(__package__).joinpath(f"data/{name}.yaml").read_text("utf-8"))
    return {kind: [str(template) for template in listed] for kind, listed in loaded.items()}


def write(template: str, dice: random.Random) -> str:
    """One text of a template."""
    text = template
    for _ in range(_DEEPEST):
        text, choices = _INNERMOST.subn(lambda match: _choose(match, dice), text)
        text, slots = _SLOT.subn(lambda match: _fill(match, dice), text)
        if not choices and not slots:
            break
    text = text.replace("{{", "{").replace("}}", "}")
    return re.sub(r" +([,.!?])", r"\1", re.sub(r"\s+", " ", text)).strip()


@cache
def vocabulary() -> Sequence[str]:
    """Ordinary words, for where any word will do: what an attack wants to be said must not give it away."""
    running = " ".join(text for kind in ("prose_en", "prose_casual") for text in templates("prose")[kind])
    return sorted(set(re.findall(r"[a-z]{4,}", running)))


def _choose(match: re.Match[str], dice: random.Random) -> str:
    if match[1] is not None:
        return dice.choice(str(match[1]).split("|"))
    return dice.choice(str(match[2]).split("|")) if dice.random() < _OPTIONAL_CHANCE else ""


def _fill(match: re.Match[str], dice: random.Random) -> str:
    if match[1] == "word":
        return dice.choice(vocabulary())
    name = _SLOTS_OF_TEXT.get(match[1], match[1])
    listed = next((found for file in ("slots", "embedded", "prose") if (found := templates(file).get(name))), None)
    return str(dice.choice(listed)) if listed else match[0]
