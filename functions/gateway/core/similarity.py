"""Guards against answering a question with the answer to another one that merely sounds alike.

Embeddings put "lower than 5" beside "lower than 50" and "A beats B" beside "B beats A". What must agree besides
the vectors: numbers, negations, names, and the order of what two questions share.
"""

import re

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?", re.UNICODE)
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_NEGATIONS = frozenset(
    [
        "no",
        "not",
        "never",
        "none",
        "nobody",
        "nothing",
        "neither",
        "nor",
        "without",
        "cannot",
        "cant",
        "can't",
        "won't",
        "wont",
        "don't",
        "dont",
        "doesn't",
        "doesnt",
        "isn't",
        "isnt",
        "aren't",
        "arent",
        "wasn't",
        "shouldn't",
        "except",
        "unlike",
        "kein",
        "keine",
        "keinen",
        "nicht",
        "nie",
        "ohne",
        "pas",
        "jamais",
        "sans",
        "non",
        "sin",
    ]
)
_OPPOSITES = frozenset(
    [
        "before",
        "after",
        "above",
        "below",
        "more",
        "less",
        "most",
        "least",
        "max",
        "min",
        "maximum",
        "minimum",
        "first",
        "last",
        "increase",
        "decrease",
        "enable",
        "disable",
        "add",
        "remove",
        "buy",
        "sell",
        "start",
        "stop",
        "open",
        "close",
        "up",
        "down",
        "left",
        "right",
        "true",
        "false",
        "allow",
        "deny",
        "import",
        "export",
        "oldest",
        "newest",
        "cheapest",
        "highest",
        "lowest",
        "best",
        "worst",
        "pros",
        "cons",
        "advantages",
        "disadvantages",
    ]
)
_FUNCTION_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "do",
        "does",
        "did",
        "can",
        "could",
        "will",
        "would",
        "shall",
        "should",
        "may",
        "might",
        "must",
        "i",
        "you",
        "he",
        "she",
        "it",
        "we",
        "they",
        "me",
        "my",
        "your",
        "his",
        "her",
        "its",
        "our",
        "their",
        "this",
        "that",
        "these",
        "those",
        "what",
        "which",
        "who",
        "whom",
        "whose",
        "when",
        "where",
        "why",
        "how",
        "of",
        "in",
        "on",
        "at",
        "to",
        "for",
        "from",
        "by",
        "with",
        "about",
        "as",
        "into",
        "and",
        "or",
        "if",
        "then",
        "than",
        "so",
        "please",
        "tell",
        "explain",
        "give",
        "show",
    ]
)


def may_share_answer(asked: str, stored: str) -> bool:
    """Whether two questions that embed alike may share an answer."""
    if asked == stored:
        return True
    words, others = _words(asked), _words(stored)
    return (
        sorted(_NUMBER.findall(asked)) == sorted(_NUMBER.findall(stored))
        and _marks(words, _NEGATIONS) == _marks(others, _NEGATIONS)
        and _marks(words, _OPPOSITES) == _marks(others, _OPPOSITES)
        and _names(asked) == _names(stored)
        and _same_order(_content(words), _content(others))
    )


def _words(text: str) -> list[str]:
    return [word.lower().replace("\u2019", "'") for word in _WORD.findall(text)]


def _marks(words: list[str], of: frozenset[str]) -> list[str]:
    return sorted(word for word in words if word in of)


def _names(text: str) -> frozenset[str]:
    """Words written with a capital that do not begin a sentence: mostly names."""
    return frozenset(
        match[0].lower()
        for match in _WORD.finditer(text)
        if match[0][0].isupper() and match.start() > 0 and not re.search(r"[.!?:]\s*$", text[: match.start()])
        if match[0].lower() not in _FUNCTION_WORDS
    )


def _content(words: list[str]) -> list[str]:
    return [word for word in words if word not in _FUNCTION_WORDS]


def _same_order(words: list[str], others: list[str]) -> bool:
    """Words that both use once must come in the same order, unless the questions share few words."""
    shared = [word for word in words if words.count(word) == 1 == others.count(word)]
    return shared == [word for word in others if word in set(shared)]
