"""Takes out phrases that carry nothing: courtesies and throat-clearing at the start of a sentence."""

import re
from collections.abc import Iterable

from functions.gateway.core.compression.passages import Page, Sentence

# Quick tests before the slow pattern: at least one of these is in every phrase below.
_HINTS = (
    "please", "kindly", "thank", "cheers", "would like", "'d like", "appreciate", "worth", "important to", "be noted",
    "be mentioned", "needless", "goes without", "matter of fact", "be honest", "we all", "end of the day", "hope",
    "hello", "\nhi", "\nhey", "hallo", "bonjour", "\nhola", "bitte", "danke", "dank", "merci", "por favor", "gracias",
    "s'il",
)  # fmt: skip

# Whole sentences, with what ends them.
_SENTENCES = re.compile(
    r"""\s*(?:
      (?:(?:many\s+)?thanks|thank\s+you|cheers|merci|gracias|danke|vielen\s+dank)
      (?:\s+(?:so\s+much|very\s+much|a\s+lot|again|in\s+advance|d'avance|im\s+voraus
         |for\s+your\s+(?:help|time|support|assistance)|(?:and\s+)?(?:best|kind)\s+regards)){0,3}\s*[.!]
    | (?:hello|hi|hey|hallo|bonjour|hola)(?:\s+(?:there|everyone|all|team|again))?\s*[.!,]
    | (?:i\s+|we\s+)?(?:really\s+|just\s+)?hope\s+(?:that\s+)?(?:this\s+helps|you\s+(?:are|'re)\s+(?:well|doing\s+well)
      |this\s+(?:e-?mail|message)\s+finds\s+you\s+well)\s*[.!]
    | (?:i|we)(?:\s+would|'d)?\s+(?:really\s+|greatly\s+|very\s+much\s+)?appreciate\s+(?:it|your\s+help)\s*[.!]
    )\s*""",
    re.IGNORECASE | re.VERBOSE,
)

# Beginnings of sentences; what they introduce stays.
_OPENINGS = re.compile(
    r"""\s*(?:
      (?:(?:could|would|can|will)\s+you\s+)?(?:please|kindly)\s*,?
    | i\s+(?:would|'d)\s+(?:really\s+)?(?:like|appreciate\s+it\s+if)\s+you\s+(?:to|could)(?:\s+(?:please|kindly))?
    | (?:bitte|por\s+favor|s'il\s+(?:vous|te)\s+pla\u00eet)\s*,?
    | (?:it\s+is|it's)\s+(?:also\s+)?(?:worth|important)\s+(?:noting|mentioning|to\s+(?:note|mention))\s+that
    | it\s+(?:should|must)\s+(?:also\s+)?be\s+(?:noted|mentioned)\s+that
    | (?:needless\s+to\s+say|as\s+a\s+matter\s+of\s+fact|to\s+be\s+honest|as\s+we\s+all\s+know|it\s+goes\s+without
      \s+saying\s+that|at\s+the\s+end\s+of\s+the\s+day)\s*,
    )[ ]+(?=\S)""",
    re.IGNORECASE | re.VERBOSE,
)


def take_out_filler(pages: Iterable[Page]) -> bool:
    """Take filler out of sentences; whether there was any."""
    changed = False
    for page in pages:
        sentences = [sentence for line in page.lines() for sentence in line.sentences if not sentence.joined]
        lowered = "\n".join(["", *(sentence.text for sentence in sentences)]).lower()
        if any(hint in lowered for hint in _HINTS):
            shortened = [_shorten(sentence) for sentence in sentences]
            changed = changed or any(shortened)
    return changed


def _shorten(sentence: Sentence) -> bool:
    text = sentence.text
    start = 0
    while match := _SENTENCES.match(text, start) or _OPENINGS.match(text, start):
        start = match.end()
    sentence.text = text[start:]
    return start > 0
