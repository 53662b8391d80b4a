"""Values of a wrong kind, of clients and of models, are refused where they come in."""

import json
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from functions.knowledge.adapters.llm_reranker import grades
from functions.knowledge.core.vectors import vector_of
from functions.knowledge.doc_chat.schemas import DocChatRequest
from functions.knowledge.jobs.schemas import CreateJob

CORPUS = "0190c0de-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    "numbers", [[], ["nan"], ["inf"], [1e39], [0.1, -65_505], "AAAA", 5, None, [None], [[1.0]], {}]
)
def test_what_is_no_embedding(numbers: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        vector_of(numbers)


def test_an_embedding() -> None:
    assert vector_of([0, -1.5, 65_504]) == [0.0, -1.5, 65_504.0]


@pytest.mark.parametrize("text", ["[1]", "[1, 2, 3]", '["nan", 2]', "none", "[true, [2]]"])
def test_grades_that_are_not_one_a_passage(text: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        grades(text, 2)


def test_grades() -> None:
    assert grades("I would say [10, -3].", 2) == [1.0, 0.0]


@pytest.mark.parametrize("content", ['"\\ud800"', '[{"type": "text", "text": "\\ud800"}]', '[{"n": ' + "9" * 30 + "}]"])
def test_half_a_character_is_no_message(content: str) -> None:
    asked = json.loads(f'{{"model": "doc-chat", "messages": [{{"role": "user", "content": {content}}}]}}')
    with pytest.raises(ValidationError, match="well-formed text only"):
        DocChatRequest.model_validate(asked)


def test_half_a_character_is_no_document() -> None:
    document = {"name": "a.txt", "content": json.loads('"\\ud800"')}
    with pytest.raises(ValidationError, match="half of a character"):
        CreateJob.model_validate({"corpusId": CORPUS, "documents": [document]})
    whole = {"name": "a.txt", "content": "\0 and \U0001f6a2"}
    assert orjson.dumps(CreateJob.model_validate({"corpusId": CORPUS, "documents": [whole]}).documents[0].content)
