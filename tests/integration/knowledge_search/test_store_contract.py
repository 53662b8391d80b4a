"""What every chunk store and every search over it does: the same for Postgres and for the plain one in memory."""

import math
import random
from dataclasses import replace
from typing import Any

import pytest

from functions.knowledge.core.filters import All, Between, Condition, Exists, Not, OneOf, Some
from functions.knowledge.core.models import Distance, IndexSettings, Reader
from tests.integration.knowledge_search.library import ADMIN, Library

pytestmark = pytest.mark.integration

NOBODY = Reader()


async def test_words_are_found_by_their_stems_and_rank_by_bm25(library: Library) -> None:
    corpus = await library.corpus()
    await library.add(corpus, "The dog runs.", "Running dogs: a dog, dogs.", "Cats sleep all day long.")
    found = await library.words("run dogs")
    assert list(found) == ["Running dogs: a dog, dogs.", "The dog runs."]
    assert all(score > 0 for score in found.values())


async def test_an_empty_library_and_an_unknown_word_find_nothing(library: Library) -> None:
    assert await library.words("anything") == {}
    corpus = await library.corpus()
    assert await library.words("anything") == {}
    await library.add(corpus, "something")
    assert await library.words("anything") == {}
    assert await library.words("") == {}


async def test_a_new_version_takes_the_old_ones_place(library: Library) -> None:
    corpus = await library.corpus()
    document = await library.add(corpus, "apples and pears", "plums")
    assert await library.rewrite(document, "cherries") is not document
    assert await library.words("apples plums") == {}
    assert list(await library.words("cherries")) == ["cherries"]
    async with library.writing():
        assert await library.store.count(library.space, library.indexes[corpus].id) == 1


async def test_repeating_and_removing_twice_is_sound(library: Library) -> None:
    corpus = await library.corpus()
    await library.add(corpus, "a stone among other things")
    document = await library.add(corpus, "pebble beach", "pebble path")
    once = await library.words("pebble stone")
    async with library.writing():
        assert await library.put(document, "pebble beach", "pebble path") == 2
    assert await library.words("pebble stone") == pytest.approx(once)
    async with library.writing():
        await library.store.remove_document(library.space, document.id)
        await library.store.remove_document(library.space, document.id)
    assert list(await library.words("pebble stone")) == ["a stone among other things"]


async def test_scores_after_many_changes_are_those_of_what_is_left(library: Library) -> None:
    """Deleted and replaced chunks count neither in n, nor N, nor the average length."""
    rng = random.Random(7)
    words = [f"word{n}" for n in range(40)]
    corpus, other = await library.corpus(), await library.corpus()
    documents = [
        await library.add(
            rng.choice([corpus, other]), *(" ".join(rng.choices(words, k=rng.randint(1, 30))) for _ in range(3))
        )
        for _ in range(40)
    ]
    for document in documents[::3]:
        await library.remove(document)
    for document in documents[1::3]:
        await library.rewrite(document, " ".join(rng.choices(words, k=12)))
    async with library.search.session(library.space) as session:
        scope = await session.narrow(await session.indexes(None, ADMIN), ADMIN, None)
        query = ["word1", "word2", "word3"]
        found, _ = await session.lexical(scope, query, 1000)
        passages = await session.passages([number for number, _ in found])
        counts = {number: passage.chunk.text.split() for number, passage in passages.items()}
        everything, _ = await session.lexical(scope, words, 1000)
        every = {n: p.chunk.text.split() for n, p in (await session.passages([n for n, _ in everything])).items()}
    average = sum(map(len, every.values())) / len(every)
    for number, score in found:
        expected = 0.0
        for term in query:
            containing = sum(term in other_words for other_words in every.values())
            weight = math.log(1 + (len(every) - containing + 0.5) / (containing + 0.5))
            frequency = counts[number].count(term)
            expected += weight * frequency * 2.2 / (frequency + 1.2 * (0.25 + 0.75 * len(counts[number]) / average))
        assert score == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("distance", "best", "similarity"),
    [("cosine", "long", 1 / math.sqrt(1.01)), ("dot", "long", 9.0), ("l2", "near", -0.4)],
)
async def test_embeddings_are_found_by_each_distance(
    library: Library, distance: Distance, best: str, similarity: float
) -> None:
    corpus = await library.corpus(settings=IndexSettings(distance=distance))
    vectors = [[1.0, 0.5, 0.0], [9.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    document = await library.add(corpus, "near", "long", "away", vectors=vectors)
    found = await library.meaning([1.0, 0.1, 0.0])
    assert next(iter(found)) == best
    assert found[best] == pytest.approx(similarity, abs=2e-3)
    await library.remove(document)
    assert await library.meaning([1.0, 0.1, 0.0]) == {}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (OneOf("team", ("red",)), {"one", "three"}),
        (OneOf("team", ("red", "blue")), {"one", "two", "three"}),
        (OneOf("year", (2020.0,)), {"one"}),
        (OneOf("team", (2020.0,)), set()),
        (OneOf("final", ("true",)), {"two"}),
        (OneOf("owner.name", ("Ann",)), {"one"}),
        (OneOf("tags", ("b",)), {"one", "two"}),
        (Between("year", least=2020.0, below=2022.0), {"one", "two"}),
        (Between("year", above=2020.0), {"two", "three"}),
        (Between("due", most="2026-05-01"), {"three"}),
        (Exists("final"), {"two", "three"}),
        (Not(Exists("final")), {"one", "four"}),
        (Not(OneOf("team", ("red",))), {"two", "four"}),
        (All((OneOf("team", ("red",)), Between("year", most=2020.0))), {"one"}),
        (Some((OneOf("team", ("blue",)), OneOf("year", (2020.0,)))), {"one", "two"}),
        (OneOf("@name", ("four",)), {"four"}),
        (OneOf("@kind", ("code",)), {"four"}),
        (Not(Exists("@path")), {"one", "two", "three", "four"}),
        (OneOf("team'; DROP TABLE chunks; --", ("x",)), set()),
        (OneOf("team", ("'; DROP TABLE chunks; --",)), set()),
    ],
)
async def test_filters_bind_words_and_meaning(library: Library, condition: Condition, expected: set[str]) -> None:
    corpus = await library.corpus()
    metadata: dict[str, dict[str, Any]] = {
        "one": {"team": "red", "year": 2020, "owner": {"name": "Ann"}, "tags": ["a", "b"]},
        "two": {"team": "blue", "year": 2021, "final": True, "tags": ["b"]},
        "three": {"team": "red", "year": 2022, "final": False, "due": "2026-04-30"},
        "four": {"note": None, "long": "x" * 3000},
    }
    for name, values in metadata.items():
        kind = "code" if name == "four" else "text"
        await library.add(corpus, f"shared {name}", vectors=[[1.0, 0.0]], name=name, metadata=values, kind=kind)
    words = await library.words("shared", condition=condition)
    meaning = await library.meaning([1.0, 0.0], condition=condition)
    assert set(words) == set(meaning) == {f"shared {name}" for name in expected}


async def test_access_lists_bind_words_and_meaning(library: Library) -> None:
    open_corpus, closed = await library.corpus(), await library.corpus(groups=["legal"])
    for corpus, name, groups in (
        (open_corpus, "public", []), (open_corpus, "finance only", ["finance"]),
        (closed, "legal corpus", []), (closed, "legal and finance", ["finance"]),
    ):  # fmt: skip
        await library.add(corpus, f"shared {name}", vectors=[[1.0, 0.0]], groups=groups)
    for reader, expected in (
        (NOBODY, {"public"}),
        (Reader(frozenset({"finance"})), {"public", "finance only"}),
        (Reader(frozenset({"legal"})), {"public", "legal corpus"}),
        (Reader(frozenset({"legal", "finance"})), {"public", "finance only", "legal corpus", "legal and finance"}),
        (ADMIN, {"public", "finance only", "legal corpus", "legal and finance"}),
    ):
        texts = {f"shared {name}" for name in expected}
        assert set(await library.words("shared", reader=reader)) == texts
        assert set(await library.meaning([1.0, 0.0], reader=reader)) == texts


async def test_described_metadata_holds_at_once(library: Library) -> None:
    corpus = await library.corpus()
    document = await library.add(corpus, "shared", metadata={"team": "red"})
    changed = replace(document, metadata={"team": "blue"})
    async with library.writing():
        await library.store.describe_document(library.space, changed)
    assert await library.words("shared", condition=OneOf("team", ("red",))) == {}
    assert list(await library.words("shared", condition=OneOf("team", ("blue",)))) == ["shared"]


async def test_a_dropped_index_is_gone(library: Library) -> None:
    corpus = await library.corpus()
    await library.add(corpus, "something", vectors=[[1.0, 0.0]])
    async with library.writing():
        await library.store.drop_index(library.space, library.indexes[corpus].id)
        await library.store.drop_index(library.space, library.indexes[corpus].id)
        assert await library.store.count(library.space, library.indexes[corpus].id) == 0
    assert await library.words("something") == {}
    assert await library.meaning([1.0, 0.0]) == {}


async def test_each_language_by_its_own_stems(library: Library) -> None:
    corpus = await library.corpus(settings=IndexSettings(language="auto"))
    await library.add(corpus, "Die Häuser der Stadt", language="de")
    await library.add(corpus, "Les chevaux courent", language="fr")
    await library.add(corpus, "東京の天気", language="ja")
    await library.add(corpus, "def parseHttpHeader(raw_value): pass", kind="code", language="python")
    for query, expected in (
        ("Haus", "Die Häuser der Stadt"), ("cheval", "Les chevaux courent"), ("東京", "東京の天気"),
        ("parse http header", "def parseHttpHeader(raw_value): pass"),
        ("raw value", "def parseHttpHeader(raw_value): pass"),
    ):  # fmt: skip
        assert list(await library.words(query)) == [expected]


async def test_similarities_and_alikeness(library: Library) -> None:
    corpus = await library.corpus()
    await library.add(corpus, "a", "b", "c", vectors=[[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    async with library.search.session(library.space) as session:
        scope = await session.narrow(await session.indexes(None, ADMIN), ADMIN, None)
        numbers = sorted(number for number, _ in await session.dense(scope, [1.0, 0.0], 10))
        similar = await session.similarities(scope, [1.0, 0.0], numbers)
        assert [similar[number] for number in numbers] == pytest.approx([1, 1, 0], abs=1e-3)
        alike = await session.alikeness(numbers)
    assert alike[numbers[0], numbers[1]] == pytest.approx(1, abs=1e-3)
    assert alike[numbers[1], numbers[2]] == pytest.approx(0, abs=1e-3)
