"""Maximal marginal relevance (Carbonell and Goldstein, 1998): what is relevant and not said already."""

from collections.abc import Mapping, Sequence


def diversify(ranked: Sequence[int], alike: Mapping[tuple[int, int], float], count: int, strength: float) -> list[int]:
    """Choose `count` of the ranked, each time the one that is best after what it repeats is taken off.

    Args:
        ranked: best first; how relevant each is falls evenly from 1 to 0 with its rank.
        alike: cosine of each two, the smaller number first; a pair that is missing has nothing in common.
        strength: from 0, which changes nothing, to 1, which asks for what is new alone.
    """
    relevance = {number: 1 - rank / max(len(ranked), 1) for rank, number in enumerate(ranked)}
    repeats = dict.fromkeys(ranked, 0.0)
    chosen: list[int] = []
    while repeats and len(chosen) < count:
        best = max(repeats, key=lambda number: (1 - strength) * relevance[number] - strength * repeats[number])
        del repeats[best]
        chosen.append(best)
        for number in repeats:
            pair = (min(best, number), max(best, number))
            repeats[number] = max(repeats[number], alike.get(pair, 0.0))
    return chosen
