"""Texts become the terms they are found by."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.knowledge.core.analysis import query_terms, stop_words, terms


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("The dogs were running", "en", ["the", "dog", "were", "run"]),
        ("the owner's dogs\u2019 bones", "en", ["the", "owner", "dog", "bone"]),
        ("Die Häuser der Bücher", "de", ["die", "haus", "der", "buch"]),
        ("café CAFÉ cafe", "en", ["cafe", "cafe", "cafe"]),
        ("\uff21\uff22\uff23\uff11 \ufb01ne", "en", ["abc1", "fine"]),
        ("русские книги and books", "en", ["русск", "книг", "and", "book"]),
        ("كِتَابٌ كتاب", "ar", ["كتاب", "كتاب"]),
        ("東京タワー 2020年", "ja", ["東京", "京タ", "タワ", "ワー", "2020", "年"]),
        ("한국어", "ko", ["한국", "국어"]),
        ("日", "zh", ["日"]),
        ("हिन्दी भाषा", "hi", ["हिन्द", "भाष"]),
        ("writeBoolean", "en", ["writeboolean", "write", "boolean"]),
        ("parse_HTTPResponse", "en", ["parse_httprespons", "pars", "http", "respons"]),
        ("__init__ utf8", "en", ["init", "utf8"]),
        ("self.read_csv(x)", "python", ["self", "read_csv", "read", "csv", "x"]),
        ("", "en", []),
        ("… — !", "en", []),
        ("x" * 1_000, "en", ["x" * 64]),
    ],
)
def test_terms(text: str, language: str, expected: list[str]) -> None:
    assert terms(text, language) == expected


def test_a_query_drops_stop_words_unless_it_has_nothing_else() -> None:
    assert query_terms("what is the capital of the capital") == ["capit"]
    assert query_terms("to be or not to be") == ["to", "be", "or", "not"]
    assert query_terms("") == []


def test_a_query_is_stemmed_as_each_language_would() -> None:
    assert set(query_terms("Häuser running", ["de", "en"])) == {"haus", "hauser", "run", "running"}


def test_an_identifier_is_found_by_its_parts_and_as_a_whole() -> None:
    there = terms("def parseHttpHeader(raw_value):")
    for query in ("parseHttpHeader", "parse http header", "raw value", "raw_value", "HEADER"):
        assert set(query_terms(query)) <= set(there)


def test_stop_words_by_language() -> None:
    assert "the" in stop_words("en")
    assert "nicht" in stop_words("de")
    assert "det" in stop_words("no")
    assert stop_words("zh") == frozenset()


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=200), st.sampled_from(["en", "de", "ar", "hi", "zh", "fa", "tr", "klingon"]))
def test_any_text_gives_terms_that_postgres_stores(text: str, language: str) -> None:
    for term in terms(text, language):
        assert len(term) > 0
        assert "\x00" not in term
        term.encode()


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=100))
def test_a_text_is_found_by_itself(text: str) -> None:
    assert set(query_terms(text)) <= set(terms(text))
