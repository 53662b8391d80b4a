"""Gemini's generateContent answer as OpenAI's completion.

What Google's own tools (search, code execution) do on the way has no place in OpenAI's format and is passed over; the
words around it are kept.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from functions.gateway.core.models import Json
from functions.gateway.core.translation.answers import Head, function_call, usage_object

_FINISH_REASONS = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}


def chat_completion(answer: Json, model: str) -> Json:
    """The completion.

    Args:
        model: the model that was asked for, where the answer does not name one.

    Raises:
        KeyError, TypeError: the answer is not in Gemini's format.
    """
    choices = [_choice(candidate, index) for index, candidate in enumerate(answer.get("candidates") or ())]
    if not choices:
        choices = [blocked_choice(answer["promptFeedback"])]
    return head_of(answer, model).completion(choices, usage_of(answer.get("usageMetadata")))


def head_of(answer: Json, model: str) -> Head:
    """Id, model and time of an answer or a chunk."""
    identifier = answer.get("responseId") or f"chatcmpl-{uuid4().hex}"
    name = answer.get("modelVersion") or model
    if "createTime" not in answer:
        return Head(identifier, name)
    return Head(identifier, name, int(datetime.fromisoformat(answer["createTime"]).timestamp()))


def blocked_choice(feedback: Mapping[str, Any]) -> Json:
    """The choice that says why the prompt was not answered."""
    reason = feedback["blockReason"]
    why = feedback.get("blockReasonMessage") or f"The provider blocked the prompt: {reason}."
    return {
        "index": 0,
        "message": {"role": "assistant", "content": None, "refusal": why},
        "logprobs": None,
        "finish_reason": "content_filter",
        "native_finish_reason": reason,
    }


def usage_of(usage: Mapping[str, Any] | None) -> Json | None:
    """OpenAI's `usage`: Gemini counts thoughts beside the candidates, OpenAI within; None when Gemini did not count.

    A count that is left out is zero, as everywhere in protobuf's JSON.
    """
    if usage is None:
        return None
    prompt = usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
    thoughts = usage.get("thoughtsTokenCount")
    return usage_object(
        prompt,
        usage.get("candidatesTokenCount", 0) + (thoughts or 0),
        cached=usage.get("cachedContentTokenCount", 0),
        reasoning=thoughts,
    )


def finish_reason(reason: str, *, called: bool) -> str:
    """OpenAI's finish reason. What ends an answer early, be it a filter or a fault, is told as a filter's work."""
    if reason == "STOP" and called:
        return "tool_calls"
    return _FINISH_REASONS.get(reason, "content_filter")


def ending(candidate: Json) -> Json:
    """What is told beside the finish reason when it is none of OpenAI's."""
    reason = candidate.get("finishReason", "OTHER")
    return {} if reason in _FINISH_REASONS else {"native_finish_reason": reason}


def refusal_of(candidate: Json) -> str | None:
    """Why the answer was held back; None when it was not."""
    reason = candidate.get("finishReason")
    if reason is None or reason in _FINISH_REASONS:
        return None
    return candidate.get("finishMessage") or f"The provider ended the answer: {reason}."


def logprobs_of(candidate: Json) -> Json | None:
    """OpenAI's log probabilities of the tokens."""
    result = candidate.get("logprobsResult")
    if not result:
        return None
    chosen = result.get("chosenCandidates") or []
    tops = result.get("topCandidates") or [{}] * len(chosen)
    return {
        "content": [
            {**_token(token), "top_logprobs": [_token(other) for other in top.get("candidates") or ()]}
            for token, top in zip(chosen, tops, strict=True)
        ],
        "refusal": None,
    }


def tool_call(part: Json) -> Json:
    """A function call with its signature, where Google's OpenAI-compatible endpoint puts it."""
    call = part["functionCall"]
    whole = function_call(call.get("id") or f"call_{uuid4().hex}", call["name"], call.get("args") or {})
    return {**whole, **signature_of(part)}


def signature_of(part: Json) -> Json:
    """The thought signature of a part."""
    signature = part.get("thoughtSignature")
    return {"extra_content": {"google": {"thought_signature": signature}}} if signature else {}


def image_of(part: Json) -> Json | None:
    """A picture that the model drew, where others put one beside a chat's words (`images`); None for another part."""
    inline = part.get("inlineData")
    if inline is None or part.get("thought") or not inline["mimeType"].startswith("image/"):
        return None
    return {"type": "image_url", "image_url": {"url": f"data:{inline['mimeType']};base64,{inline['data']}"}}


def _token(token: Json) -> Json:
    text = token.get("token", "")
    # A log probability of exactly zero is left out, as protobuf's JSON does with defaults.
    return {"token": text, "logprob": token.get("logProbability", 0.0), "bytes": list(text.encode())}


def _choice(candidate: Json, position: int) -> Json:
    parts = (candidate.get("content") or {}).get("parts") or []
    message = _message(parts, refusal_of(candidate))
    return {
        "index": candidate.get("index", position),
        "message": message,
        "logprobs": logprobs_of(candidate),
        "finish_reason": finish_reason(candidate.get("finishReason", "OTHER"), called="tool_calls" in message),
        **ending(candidate),
    }


def _message(parts: list[Json], refusal: str | None) -> Json:
    texts = [part for part in parts if "text" in part and not part.get("thought")]
    thoughts = [part["text"] for part in parts if "text" in part and part.get("thought")]
    calls = [tool_call(part) for part in parts if "functionCall" in part]
    images = [image for part in parts if (image := image_of(part))]
    silent = not texts and (calls or refusal)
    message: Json = {
        "role": "assistant",
        "content": None if silent else "".join(part["text"] for part in texts),
        "refusal": refusal,
    }
    if calls:
        message["tool_calls"] = calls
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if images:
        message["images"] = images
    for part in texts:
        message |= signature_of(part)
    return message
