"""Grounded answers in OpenAI's chat format: sources as Open WebUI's events, citations as `url_citation` annotations."""

import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from functions.kit.service_tokens import OnBehalf
from functions.knowledge.core.answers import Answer, Answers, Grounding
from functions.knowledge.core.search_ports import Passage
from functions.knowledge.core.support import ABSTENTION, Claim

MODEL = "doc-chat"
Json = dict[str, Any]


def completion(answer: Answer, answer_id: str, model: str) -> Json:
    """A whole answer."""
    message: Json = {
        "role": "assistant",
        "content": answer.text,
        "annotations": annotations(answer),
    }
    return {
        "id": answer_id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": answer.finish}],
        "usage": answer.usage or {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        "sources": [source(passage, number) for number, passage in enumerate(answer.grounding.passages, 1)],
        "grounding": summary(answer),
    }


async def chunks(
    answers: Answers, behalf: OnBehalf, grounding: Grounding, answer_id: str, model: str
) -> AsyncIterator[Json]:
    """The answer as it is written: its sources first, then the text, then what each sentence rests on.

    Raises:
        DcoderError: the model's answer does not begin, or breaks off.
    """
    head = {"id": answer_id, "object": "chat.completion.chunk", "created": int(time.time()), "model": model}
    for number, passage in enumerate(grounding.passages, start=1):
        yield {**head, "choices": [], "event": {"type": "source", "data": source(passage, number)}}
    yield {**head, "choices": [_choice({"role": "assistant", "content": ""})]}
    parts: list[str] = []
    finish, usage = "stop", None
    async for chunk in answers.stream(behalf, grounding):
        usage = chunk.get("usage") or usage
        for choice in chunk.get("choices") or ():
            if text := (choice.get("delta") or {}).get("content"):
                parts.append(text)
                yield {**head, "choices": [_choice({"content": text})]}
            finish = choice.get("finish_reason") or finish
    if grounding.body is None:
        parts.append(ABSTENTION)
        yield {**head, "choices": [_choice({"content": ABSTENTION})]}
    answer = answers.checked(grounding, "".join(parts))
    if found := annotations(answer):
        yield {**head, "choices": [_choice({"annotations": found})]}
    yield {**head, "choices": [_choice({}, finish)], "grounding": summary(answer)}
    if usage is not None:
        yield {**head, "choices": [], "usage": usage}


def source(passage: Passage, number: int) -> Json:
    """A passage as Open WebUI shows sources."""
    chunk = passage.chunk
    place = {
        "source": passage.document_name,
        "name": f"[{number}] {passage.document_name}",
        "documentId": chunk.document_id,
        "chunkId": chunk.id,
        "version": chunk.version,
        "page": chunk.page,
        "path": chunk.path,
        "lineStart": chunk.line_start,
        "lineEnd": chunk.line_end,
        "charStart": chunk.char_start,
        "charEnd": chunk.char_end,
    }
    return {
        "source": {"name": passage.document_name, "id": chunk.id, "url": url(passage)},
        "document": [chunk.text],
        "metadata": [{key: value for key, value in place.items() if value not in {None, ""}}],
    }


def url(passage: Passage) -> str:
    """Where the document is: its own address, else that within this API."""
    return passage.source_uri or f"/v1/documents/{passage.chunk.document_id}"


def annotations(answer: Answer) -> list[Json]:
    """OpenAI's annotations: one for each passage that a supported sentence cites."""
    return list(_annotations(answer.claims, answer.grounding.passages))


def _annotations(claims: Sequence[Claim], passages: Sequence[Passage]) -> Iterator[Json]:
    for claim in claims:
        for number in claim.citations if claim.verdict == "supported" else ():
            passage = passages[number - 1]
            citation = {
                "start_index": claim.start,
                "end_index": claim.end,
                "url": url(passage),
                "title": passage.document_name,
            }
            yield {"type": "url_citation", "url_citation": citation}


def summary(answer: Answer) -> Json:
    """What the answer rests on, sentence by sentence."""
    return {
        "question": answer.grounding.question,
        "abstained": answer.abstained,
        "promptVersion": answer.grounding.prompt_version,
        "claims": [
            {
                "start": claim.start,
                "end": claim.end,
                "citations": list(claim.citations),
                "verdict": claim.verdict,
                "overlap": round(claim.overlap, 3),
            }
            for claim in answer.claims
        ],
        "degraded": [{"stage": left.stage, "code": left.code, "message": left.message} for left in answer.degraded],
    }


def _choice(delta: Mapping[str, Any], finish_reason: str | None = None) -> Json:
    return {"index": 0, "delta": dict(delta), "finish_reason": finish_reason}
