"""LLMLingua-2 as an optional shortener."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from functions.gateway.adapters.llmlingua import LLMLinguaShortener
from functions.gateway.core.compression import compress
from functions.gateway.core.tokens import counter
from tests.unit.gateway.compression.prompts import ANSWER, long_prompt

count = counter("gpt-4o")


class PromptCompressor:
    """Stands in for the package's class of that name, which needs PyTorch and a model."""

    def __init__(self, **options: Any) -> None:
        assert options["use_llmlingua2"]

    def compress_prompt_llmlingua2(self, context: list[str], **options: Any) -> dict[str, Any]:
        assert options["force_reserve_digit"]
        words = [text.split() for text in context]
        return {"compressed_prompt_list": [" ".join(each[: round(len(each) * options["rate"])]) for each in words]}


def test_sentences_are_shortened_instead_of_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llmlingua", SimpleNamespace(PromptCompressor=PromptCompressor))
    done = compress(long_prompt(), "full", count=count, shortener=LLMLinguaShortener())
    text = str(done.messages)
    assert "The old vineyard of Velbra" in text
    assert ANSWER in text
    assert done.tokens_after < done.tokens_before * 0.7


def test_without_the_package_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llmlingua", None)
    done = compress(long_prompt(), "full", count=count, shortener=LLMLinguaShortener())
    assert ANSWER in str(done.messages)
    assert done.tokens_after < done.tokens_before * 0.6
