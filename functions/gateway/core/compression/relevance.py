"""Scores sentences by what they and their passage share with the question (BM25, Robertson and Zaragoza 2009)."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from functions.gateway.core.compression.passages import Passage
from functions.gateway.core.compression.words import FUNCTION_WORDS, stem

_K1 = 1.2
_B = 0.75
_TITLE_WEIGHT = 3
_SENTENCE_SHARE = 0.35
_NEIGHBOUR_SHARE = 0.15
_RARE_SHARE = 0.1
_BEGINNING = 5


def score(passages: Sequence[Passage], weights: Mapping[str, float]) -> bool:
    """Score every sentence: its passage's score plus its own and its neighbours'; the best passage's is 1.

    Returns:
        Whether the passages share a word with the question at all; without one the scores say nothing.
    """
    for is_match in (_same_stem, _same_beginning):
        matches = _matcher(passages, weights, is_match)
        found = [_found(passage, matches) for passage in passages]
        rarity = _rarity(found, weights)
        scores = _passage_scores(passages, found, rarity)
        best = max(scores, default=0.0)
        if best > 0:
            rare = _rare(found, weights)
            for passage, value in zip(passages, scores, strict=True):
                _score_sentences(passage, value / best, matches, rarity, rare)
            return True
    return False


def _same_stem(word: str, weights: Mapping[str, float]) -> str | None:
    stemmed = stem(word)
    return stemmed if stemmed in weights else None


def _same_beginning(word: str, weights: Mapping[str, float]) -> str | None:
    """The second try, when not one stem is shared: "domestic" then meets "domesticated"."""
    if len(word) < _BEGINNING:
        return None
    return next((term for term in weights if term[:_BEGINNING] == word[:_BEGINNING]), None)


def _matcher(
    passages: Sequence[Passage],
    weights: Mapping[str, float],
    is_match: Callable[[str, Mapping[str, float]], str | None],
) -> dict[str, str]:
    """Each word of the passages that the question has too, with the question's stem."""
    vocabulary: set[str] = set()
    for passage in passages:
        vocabulary.update(passage.title)
        for sentence in passage.sentences:
            vocabulary.update(sentence.words)
    openings = {term[:2] for term in weights}
    return {
        word: term
        for word in vocabulary
        if word[:2] in openings and word not in FUNCTION_WORDS and (term := is_match(word, weights)) is not None
    }


def _found(passage: Passage, matches: Mapping[str, str]) -> dict[str, int]:
    """How often each of the question's stems is in a passage."""
    counts: dict[str, int] = {}
    for word in passage.title:
        if word in matches:
            counts[matches[word]] = counts.get(matches[word], 0) + _TITLE_WEIGHT
    for sentence in passage.sentences:
        for word in () if sentence.asks else sentence.words:
            if word in matches:
                counts[matches[word]] = counts.get(matches[word], 0) + 1
    return counts


def _rarity(found: Sequence[Mapping[str, int]], weights: Mapping[str, float]) -> dict[str, float]:
    """Inverse document frequency of each stem, times its weight."""
    total = len(found)
    frequencies: dict[str, int] = {}
    for counts in found:
        for term in counts:
            frequencies[term] = frequencies.get(term, 0) + 1
    return {
        term: weights[term] * math.log(1 + (total - frequency + 0.5) / (frequency + 0.5))
        for term, frequency in frequencies.items()
    }


def _passage_scores(
    passages: Sequence[Passage], found: Sequence[Mapping[str, int]], rarity: Mapping[str, float]
) -> list[float]:
    lengths = [passage.words + len(passage.title) for passage in passages]
    average = sum(lengths) / max(1, len(lengths)) or 1.0
    return [
        sum(
            rarity[term] * count * (_K1 + 1) / (count + _K1 * (1 - _B + _B * length / average))
            for term, count in counts.items()
        )
        for counts, length in zip(found, lengths, strict=True)
    ]


def _rare(found: Sequence[Mapping[str, int]], weights: Mapping[str, float]) -> frozenset[str]:
    """Stems of the question proper that few passages have."""
    most = max(1.0, len(found) * _RARE_SHARE)
    frequencies = Counter(term for counts in found for term in counts if weights[term] >= 1)
    return frozenset(term for term, frequency in frequencies.items() if frequency <= most)


def _score_sentences(
    passage: Passage,
    passage_score: float,
    matches: Mapping[str, str],
    rarity: Mapping[str, float],
    rare: frozenset[str],
) -> None:
    total = sum(rarity.values()) or 1.0
    known = matches.keys()
    shared = [
        set() if sentence.asks else {matches[word] for word in known & sentence.words} for sentence in passage.sentences
    ]
    own = [sum(map(rarity.__getitem__, terms)) / total for terms in shared]
    for index, sentence in enumerate(passage.sentences):
        neighbour = max(own[index - 1] if index else 0.0, own[index + 1] if index + 1 < len(own) else 0.0)
        sentence.score = passage_score + _SENTENCE_SHARE * own[index] + _NEIGHBOUR_SHARE * neighbour
        sentence.shares_rare = not rare.isdisjoint(shared[index])
