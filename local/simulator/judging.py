"""Two tasks that retrieval gives a model: to grade passages for a query, and to make a question stand by itself."""

import re

from local.simulator.asks import Ask
from local.simulator.quoting import content_words, stems

_GRADED = re.compile(r"<passage number=\d+>\n(.*?)\n</passage>", re.DOTALL)
_QUERY = re.compile(r"\AQuery: (.+?)\n\n(?=<passage )", re.DOTALL)
_REWRITE = re.compile(r"\AConversation:\n(.+)\n\nRewrite this question: (.+)\Z", re.DOTALL)
_SAID = re.compile(r"^user: (.+)$", re.MULTILINE)
_BEST = 10


def judged(ask: Ask) -> str | None:
    """A JSON array of grades, or the question with what it was about, or None when neither is asked."""
    if query := _QUERY.match(ask.question):
        wanted = stems(query[1])
        grades = [
            round(_BEST * len(wanted & stems(text)) / max(len(wanted), 1)) for text in _GRADED.findall(ask.question)
        ]
        return f"[{', '.join(map(str, grades))}]"
    if asked := _REWRITE.match(ask.question):
        return _standing_alone(asked[2], _SAID.findall(asked[1]))
    return None


def _standing_alone(question: str, said: list[str]) -> str:
    """The question with the words of the first one that it lacks."""
    has = stems(question)
    about = [word for word in content_words(said[0]) if not {word} & has] if said else []
    return f"{question.rstrip('?')} ({' '.join(dict.fromkeys(about))})?" if about else question
