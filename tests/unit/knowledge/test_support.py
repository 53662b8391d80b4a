"""What an answer claims is checked against what it cites."""

import pytest

from functions.knowledge.core.support import ABSTENTION, abstains, check

PASSAGES = ["The Eiffel Tower is 330 metres tall and was finished in 1889.", "Dogs were domesticated 15,000 years ago."]


@pytest.mark.parametrize(
    ("answer", "verdicts"),
    [
        ("The tower is 330 metres tall [1].", ["supported"]),
        ("The tower is 330 metres tall. [1]", ["supported"]),
        ("It was finished in 1889 [1]. Dogs were domesticated 15000 years ago [2].", ["supported", "supported"]),
        ("The tower is 300 metres tall [1].", ["numbers_differ"]),
        ("The tower is 330 metres tall [2].", ["numbers_differ"]),
        ("Cats rule the internet completely [1].", ["unsupported"]),
        ("The tower is 330 metres tall [7].", ["unknown_citation"]),
        ("The tower is 330 metres tall.", ["uncited"]),
        (ABSTENTION, ["not_a_claim"]),
        ("Here is what I found:", ["not_a_claim"]),
        ("", []),
    ],
)
def test_verdicts(answer: str, verdicts: list[str]) -> None:
    claims = check(answer, PASSAGES)
    assert [claim.verdict for claim in claims] == verdicts
    assert all(claim.text in answer.replace(" [1]", "").replace(" [2]", "").replace(" [7]", "") for claim in claims)


def test_a_claim_knows_where_it_stands_and_what_is_closest() -> None:
    answer = "Dogs were domesticated long ago [1]. The tower is tall [1][2]."
    first, second = check(answer, PASSAGES)
    assert answer[first.start : first.end] == "Dogs were domesticated long ago [1]."
    assert first.closest == 2
    assert second.citations == (1, 2)


def test_abstaining() -> None:
    assert abstains(ABSTENTION)
    assert abstains("The passages do not mention that.")
    assert not abstains("The tower is 330 metres tall [1].")
