"""OpenAI's embeddings request and answer in Google's terms.

Sources: ai.google.dev/api/embeddings; cloud.google.com/vertex-ai, "Text embeddings API".
"""

import base64
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from functions.gateway.core.models import Json
from functions.gateway.core.translation.parameters import Parameters
from functions.gateway.core.translation.refusals import refuse

_PROVIDER = "Google"
MOST_INPUTS = 100


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """What is to be embedded, and how the vectors are wanted.

    Attributes:
        single: the caller gave one text, not a list.
        dimensions: length of the vectors; None for the model's own.
        task: what the vectors are for, in Google's words, e.g. `RETRIEVAL_QUERY`.
    """

    texts: tuple[str, ...]
    single: bool
    dimensions: int | None
    task: str | None
    as_base64: bool

    @classmethod
    def of(cls, body: Json) -> "EmbeddingRequest":
        """Read OpenAI's request; Google's `task_type` is taken beside OpenAI's fields.

        Raises:
            ProviderRejected: something in it has no equal at Google.
        """
        parameters = Parameters(body, _PROVIDER)
        given = parameters.take("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise refuse("input", "must be a text or a list of texts; Google takes no tokens")
        if len(texts) > MOST_INPUTS:
            raise refuse("input", f"Google takes at most {MOST_INPUTS} texts at once")
        task = parameters.take("task_type")
        request = cls(
            tuple(texts),
            isinstance(given, str),
            parameters.integer("dimensions", 1),
            None if task is None else str(task),
            parameters.one_of("encoding_format", ("float", "base64")) == "base64",
        )
        parameters.finish()
        return request

    def embed_content(self) -> Json:
        """The request of `embedContent`."""
        return self._content(self.texts[0])

    def batch_embed_contents(self, model: str) -> Json:
        """The request of `batchEmbedContents`.

        Args:
            model: with its collection, e.g. `models/gemini-embedding-001`.
        """
        return {"requests": [{"model": model, **self._content(text)} for text in self.texts]}

    def predict(self) -> Json:
        """The request of Vertex AI's `predict`."""
        task = {} if self.task is None else {"task_type": self.task}
        size = {} if self.dimensions is None else {"parameters": {"outputDimensionality": self.dimensions}}
        return {"instances": [{"content": text, **task} for text in self.texts], **size}

    def answer(self, model: str, vectors: Sequence[Sequence[float]], tokens: int | None) -> Json:
        """OpenAI's answer.

        Args:
            tokens: None when the provider did not count them; then there is no `usage`.

        Raises:
            ValueError: there are not as many vectors as texts, or one is not of numbers.
        """
        if len(vectors) != len(self.texts):
            raise ValueError("as many vectors as texts were expected")
        return {
            "object": "list",
            "data": list(self._data(vectors)),
            "model": model,
            **({} if tokens is None else {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}}),
        }

    def _content(self, text: str) -> Json:
        return {
            "content": {"parts": [{"text": text}]},
            **({} if self.task is None else {"taskType": self.task}),
            **({} if self.dimensions is None else {"outputDimensionality": self.dimensions}),
        }

    def _data(self, vectors: Sequence[Sequence[float]]) -> Iterator[Json]:
        for index, vector in enumerate(vectors):
            yield {"object": "embedding", "index": index, "embedding": _packed(vector) if self.as_base64 else vector}


def _packed(vector: Sequence[float]) -> str:
    """The vector as OpenAI packs it: little-endian float32 in base64."""
    try:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    except (struct.error, OverflowError) as error:
        raise ValueError("a vector holds something that is no float32") from error


def embedded(answer: Json) -> tuple[list[list[float]], int | None]:
    """The vectors and the tokens in the answer of `embedContent` or `batchEmbedContents`.

    Raises:
        KeyError, TypeError: the answer is not in Google's format.
    """
    found = answer["embeddings"] if "embeddings" in answer else [answer["embedding"]]
    return [embedding["values"] for embedding in found], (answer.get("usageMetadata") or {}).get("promptTokenCount")


def predicted(answer: Json) -> tuple[list[list[float]], int | None]:
    """The vectors and the tokens in the answer of `predict`.

    Raises:
        KeyError, TypeError: the answer is not in Google's format.
    """
    found = [prediction["embeddings"] for prediction in answer["predictions"]]
    counted = [embedding["statistics"]["token_count"] for embedding in found if "statistics" in embedding]
    return [embedding["values"] for embedding in found], sum(counted) if len(counted) == len(found) else None
