"""Long prompts that the tests make up: passages about invented places, one of which answers the question."""

from typing import Any

Json = dict[str, Any]

_TOPICS = (
    "harbour lighthouse fishing ferry tide boats nets gulls",
    "vineyard cellar grapes harvest barrels slopes pruning cork",
    "railway station platform timetable signal tunnel carriage freight",
    "library archive manuscript shelves catalogue reading binding scholars",
    "orchard apples cider blossom bees ladders pickers press",
    "quarry granite blasting wagons masons dust cranes blocks",
    "theatre stage curtain actors rehearsal costumes orchestra tickets",
    "hospital ward surgeon nurses pharmacy ambulance clinic patients",
    "brewery malt hops kettle yeast bottles cooper tavern",
    "observatory telescope dome comets charts lenses astronomers nights",
)
QUESTION = "Who keeps the lighthouse at Port Aldan?"
ANSWER = "Mirela Castorf"


def passage(number: int) -> str:
    """Text of a passage: five sentences, the last but one with a number and a quotation."""
    a, b, c, d, e, f, g, h = _TOPICS[number % len(_TOPICS)].split()
    place = f"Vel{chr(97 + number % 26)}ra"
    return (
        f"The old {a} of {place} stands where the {b} used to be before the town grew around it. "
        f"Most visitors of {place} come for the {c} and stay for the {d}, which the guides describe at great length. "
        f"In former times the {e} decided about the {f}, and nobody in {place} dared to disagree. "
        f'A plaque of {1700 + number} calls it "the {g} of {place}" in gilded letters. '
        f"Today the {h} of {place} are looked after by volunteers who meet on summer evenings."
    )


def passages(count: int = 20, gold: int = 7) -> list[str]:
    """Passages, one of which holds the answer to the question."""
    texts = [passage(number) for number in range(count)]
    texts[gold] = (
        f"Port Aldan lies at the mouth of the bay. Its lighthouse is kept by {ANSWER}, who moved there as a child. "
        "Ships from the north pass it at dawn. The lamp can be seen from the hills behind the town."
    )
    return texts


def long_prompt(count: int = 20) -> list[Json]:
    """Marked passages and the question behind them."""
    marked = "\n\n".join(
        f"Document [{number}](Title: Place {number}) {text}" for number, text in enumerate(passages(count), 1)
    )
    return [user(f"Answer the question from the documents.\n\n{marked}\n\nQuestion: {QUESTION}\nAnswer:")]


def user(text: str) -> Json:
    """A user's message."""
    return {"role": "user", "content": text}
