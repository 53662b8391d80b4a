"""Compares two questions by what is different between them.

Embeddings put "lower than 5" beside "lower than 50" and "A beats B" beside "B beats A". So the vectors only propose.
Two questions share an answer when nothing is different between them but what does not matter to it: function words,
inflection, courtesy, synonyms that are synonyms everywhere, spelling, and orders of words that say the same. Any other
content word, name, number, unit, date, negation, quantifier, direction, question word, tense or language parts them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from functions.gateway.core.similarity.lexicon import load_lexicon
from functions.gateway.core.similarity.reading import Reading, Unit, read

Row = tuple[Unit, ...]
_MOST_VARIANTS = 24
_LONGEST_FRONT = 10
_SYMMETRIC = frozenset(("between", "versus"))
_SYMMETRIC_WORDS = frozenset(("compare", "compar", "differ", "difference", "differenc", "similarity"))


def may_share_answer(asked: str, stored: str) -> bool:
    """Whether two questions that embed alike may share an answer."""
    if asked == stored:
        return True
    one, other = read(asked), read(stored)
    if not one.units or one.frames != other.frames or one.tail != other.tail or one.notation != other.notation:
        return False
    if _agree(one.units, other.units):
        return True
    if sorted(unit.word for unit in one.units) != sorted(unit.word for unit in other.units):
        return False
    others = list(_variants(other))
    return any(_agree(row, against, moved=True) for row in _variants(one) for against in others)


def _agree(one: Row, other: Row, *, moved: bool = False) -> bool:
    """The same words in the same order, related alike.

    Args:
        moved: words were put in another place, and `of` tells which of two is whose.
    """
    return len(one) == len(other) and all(
        a.word == b.word and _related_alike(a, b, moved=moved) for a, b in zip(one, other, strict=True)
    )


def _related_alike(one: Unit, other: Unit, *, moved: bool) -> bool:
    return one.relations == other.relations or _telling(one, moved=moved) == _telling(other, moved=moved)


def _telling(unit: Unit, *, moved: bool) -> tuple[str, ...]:
    """The relations that an answer depends on."""
    soft = load_lexicon().soft
    return tuple(sorted({word for word in unit.relations if word not in soft or (moved and word == "of")}))


def _variants(reading: Reading) -> Iterator[Row]:
    """Orders of the words that say the same."""
    rows = [reading.units]
    for way in (_dates_last, _dates_first, _unfronted, _compounded, _swapped):
        rows.extend([found for row in rows[:_MOST_VARIANTS] for found in way(row)])
    return iter(dict.fromkeys(rows[:_MOST_VARIANTS]))


def _dates_last(row: Row) -> Iterator[Row]:
    """In 1951 he died; he died in 1951. Only when there is one date, which then belongs to all that is said."""
    dates = [index for index, unit in enumerate(row) if _is_date(unit)]
    if len(dates) == 1:
        date = replace(row[dates[0]], cut="")
        yield (*_without(row, dates[0]), replace(date, relations=("on",)))


def _dates_first(row: Row) -> Iterator[Row]:
    """Found in Rome in 1907; found in 1907 in Rome."""
    for index, unit in enumerate(row):
        if _is_date(unit) and not unit.cut and index:
            start = index - 1
            while start > 0 and not (row[start].relations or row[start].cut):
                start -= 1
            if row[start].relations == ("in",) and not row[start].cut:
                yield (*row[:start], unit, *row[start:index], *row[index + 1 :])


def _is_date(unit: Unit) -> bool:
    is_year = unit.word[:1] == "#" and unit.word[1:].isdigit() and len(unit.word) == 5
    return unit.word[:1] == "@" or (is_year and unit.relations in {("in",), ("of",)})


def _unfronted(row: Row) -> Iterator[Row]:
    """In Rome, what is there to see; when it rains, what to do: the same the other way round."""
    if row and row[0].relations:
        for index in range(1, min(len(row), _LONGEST_FRONT)):
            if row[index].cut == "," and not row[index].relations:
                yield (replace(row[index], cut="."), *row[index + 1 :], replace(row[0], cut=""), *row[1:index])
                return


def _compounded(row: Row) -> Iterator[Row]:
    """The seat of the district of Zerendi; Zerendi district's seat."""
    for index in range(len(row) - 1, 0, -1):
        if row[index].relations != ("of",):
            continue
        end = next((at for at in range(index + 1, len(row)) if row[at].relations or row[at].cut), len(row))
        start = index - 1
        while start > 0 and not (row[start].relations or row[start].cut):
            start -= 1
        complement = (replace(row[index], relations=(), cut=""), *row[index + 1 : end])
        for at in dict.fromkeys((index - 1, start)):
            head = row[at]
            moved = (
                replace(complement[0], relations=head.relations, cut=head.cut),
                *complement[1:],
                replace(head, relations=(), cut=""),
            )
            once = (*row[:at], *moved, *row[at + 1 : index], *row[end:])
            yield once
            yield from _compounded(once)


def _swapped(row: Row) -> Iterator[Row]:
    """The difference between A and B; between B and A. Cats and dogs; dogs and cats. One such pair, and no more."""
    for middle in (index for index, unit in enumerate(row) if unit.cut == "and" or unit.relations == ("versus",)):
        start = middle - 1
        while start > 0 and not (row[start].relations or row[start].cut):
            start -= 1
        end = next((at for at in range(middle + 1, len(row)) if row[at].relations or row[at].cut), len(row))
        if not _is_symmetric(row):
            start, end = _pair(row, start, middle, end)
        left, right = row[start:middle], row[middle:end]
        if left and right and not any(unit.word[0] in "#@" for unit in (*left, *right)):
            yield (
                *row[:start],
                replace(right[0], relations=left[0].relations, cut=left[0].cut),
                *right[1:],
                replace(left[0], relations=right[0].relations, cut=right[0].cut),
                *left[1:],
                *row[end:],
            )


def _pair(row: Row, start: int, middle: int, end: int) -> tuple[int, int]:
    """Where the two begin and end that an `and` joins for certain: two names, or two words."""
    if row[middle].is_name and row[middle - 1].is_name:
        while not row[start].is_name:
            start += 1
        return start, next((at for at in range(middle, end) if not row[at].is_name), end)
    return (middle - 1, middle + 1) if not (row[middle].is_name or row[middle - 1].is_name) else (middle, middle)


def _is_symmetric(row: Sequence[Unit]) -> bool:
    ands = sum(unit.cut == "and" or unit.relations == ("versus",) for unit in row)
    return ands == 1 and any(not _SYMMETRIC.isdisjoint(unit.relations) or unit.word in _SYMMETRIC_WORDS for unit in row)


def _without(row: Row, index: int) -> Row:
    rest = [*row[:index], *row[index + 1 :]]
    if index < len(rest) and not rest[index].cut:
        rest[index] = replace(rest[index], cut=row[index].cut or "_")
    return tuple(rest)
