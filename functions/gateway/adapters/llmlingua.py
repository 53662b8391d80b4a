"""LLMLingua-2 as a shortener of prompts: a small model decides which words of a sentence may go.

Optional. The package brings PyTorch and loads its model from a hub, so it is in none of our images; where somebody
installs `llmlingua` beside the gateway, `is_installed` says so.
"""

import importlib
import importlib.util
import threading
from collections.abc import Sequence
from typing import Any

MODEL = "microsoft/llmlingua-2-bert-base-multilingual-cased-meetingbank"


def is_installed() -> bool:
    """Whether the package is there."""
    return importlib.util.find_spec("llmlingua") is not None


class LLMLinguaShortener:
    """A `Shortener` (core/compression) that runs the model in this process; call it off the event loop.

    Args:
        model: name of an LLMLingua-2 model, or the folder it is in.
        device: where PyTorch runs it.
    """

    def __init__(self, model: str = MODEL, device: str = "cpu") -> None:
        self._model = model
        self._device = device
        self._lock = threading.Lock()
        self._compressor: Any = None

    def shorten(self, sentences: Sequence[str], *, rate: float) -> list[str]:
        """Each sentence in about `rate` of its words, numbers and negations kept.

        Raises:
            ImportError: the package is not there.
        """
        # The tokenizer and the model behind it are not made for several threads at once.
        with self._lock:
            if self._compressor is None:
                package = importlib.import_module("llmlingua")
                self._compressor = package.PromptCompressor(
                    model_name=self._model, use_llmlingua2=True, device_map=self._device
                )
            result = self._compressor.compress_prompt_llmlingua2(
                list(sentences),
                rate=rate,
                force_tokens=[".", "?", "!", "not", "no", "never"],
                force_reserve_digit=True,
                drop_consecutive=True,
            )
        return [str(text) for text in result["compressed_prompt_list"]]
