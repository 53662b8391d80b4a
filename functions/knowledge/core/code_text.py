"""Tells code from prose by how its lines look, whatever the document was declared to be."""

import re

_CODE_LINE = re.compile(
    r"^\s*(?:(?:async )?def |class |return\b|import |from \w[\w.]* import|@\w|for .+:$|if .+[:{]$|else[: {]|elif "
    r"|while .+[:{]|try[:{ ]|except|func |fn |public |private |protected |static |const |let |var |#include|package "
    r"|using |namespace |SELECT |\}|\)|\{|//|/\*|\*|end$)"
    r"|[;{}]\s*$|^\s*[\w.\[\]'\"]+\s*[-+*/|&]?=\s*\S|\w+\([^)]*\)\s*[:;]?\s*$"
)
_DEFINITION = re.compile(
    r"\s*(?:(?:async )?def \w+\(|class \w+.*[:{]$|func \w|fn \w|(?:async )?function\b"
    r"|(?:public|private|protected|static) .*[({]|#include|(?:const|let|var) \w+ ?=|import .+;$)"
)
_LONGEST = 4_000


def looks_like_code(text: str) -> bool:
    """Whether half of the lines look like code, or a fifth and one of them defines something.

    A single line says too little.
    """
    lines = [line[:200] for line in text[:_LONGEST].splitlines() if line.strip()]
    if len(lines) < 2:
        return False
    alike = sum(_CODE_LINE.search(line) is not None for line in lines)
    return alike * 2 >= len(lines) or (alike * 5 >= len(lines) and any(map(_DEFINITION.match, lines)))
