"""Questions that embed alike and still must not share an answer."""

import pytest

from functions.gateway.core.similarity import may_share_answer


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ("How do I reset my password?", "How can I reset my password"),
        ("What is the capital of France?", "what's the capital of France"),
        ("Please explain TLS handshakes", "Explain TLS handshakes please"),
    ],
)
def test_the_same_question_in_other_words(asked: str, stored: str) -> None:
    assert may_share_answer(asked, stored)


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ("What is 12 times 7?", "What is 12 times 8?"),
        ("Sum the first 10 primes", "Sum the first 100 primes"),
        ("Is aspirin safe in pregnancy?", "Is aspirin not safe in pregnancy?"),
        ("Flights from Paris to London", "Flights from London to Paris"),
        ("Who did Brazil beat?", "Who did beat Brazil?"),
        ("Capital of the country France", "Capital of the country Spain"),
        ("How do I enable logging?", "How do I disable logging?"),
        ("Events before the war", "Events after the war"),
        ("What happened in March 2024?", "What happened in March 2023?"),
    ],
)
def test_word_swaps_numbers_names_and_negations_part_them(asked: str, stored: str) -> None:
    assert not may_share_answer(asked, stored)
    assert not may_share_answer(stored, asked)
