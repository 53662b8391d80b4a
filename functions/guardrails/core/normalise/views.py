"""All readings of a text that are worth a look."""

from functions.guardrails.core.normalise.decoding import MOST_CHARACTERS, MOST_PAYLOADS, decoded
from functions.guardrails.core.normalise.folding import folded, hidden
from functions.guardrails.core.normalise.letters import joined, reversed_text, run_together, unleeted, unmarked
from functions.guardrails.core.normalise.view import View

_DEEPEST = 3


def views(text: str) -> tuple[View, ...]:
    """The text itself, then every other reading, each once; at most `MOST_PAYLOADS` payloads, nested three deep."""
    plain = View("", text)
    found = [plain]
    seen = {text}
    budget = [MOST_PAYLOADS, MOST_CHARACTERS * 4]
    _explore(plain, found, seen, budget, depth=0)
    return tuple(found)


def _explore(view: View, found: list[View], seen: set[str], budget: list[int], *, depth: int) -> None:
    for base in [view, *_readings(view, found, seen)]:
        if depth >= _DEEPEST:
            return
        for payload in [*hidden(base), *decoded(base)]:
            if payload.text in seen or budget[0] <= 0 or len(payload.text) > budget[1]:
                continue
            budget[0] -= 1
            budget[1] -= len(payload.text)
            seen.add(payload.text)
            found.append(payload)
            _explore(payload, found, seen, budget, depth=depth + 1)


def _readings(view: View, found: list[View], seen: set[str]) -> list[View]:
    """The view with its Unicode folded, then what people do with letters undone on top of it."""
    plain = folded(view)
    base = plain or view
    made = [plain, *unleeted(base), joined(base), reversed_text(base), unmarked(base), run_together(base)]
    new = [reading for reading in made if reading is not None and reading.text not in seen]
    seen.update(reading.text for reading in new)
    found.extend(new)
    return new
