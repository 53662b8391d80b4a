"""Parts prose from what must keep every byte: code, JSON, YAML, tables, quotations.

Where a line could be either, it counts as the latter: compressing less is the cheaper mistake.
"""

import json
import re
from typing import NamedTuple

from functions.gateway.core.compression.layout import mark_directives, mark_keys, mark_preformatted

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^\n]*)")
_VERBATIM_LINE = re.compile(
    r"""
      \ {4}|\ {0,3}\t                                       # indented code
    | \ {0,3}[{}\]]                                         # brackets of JSON and code
    | \ {0,3}\[\s*(?:$|[{"\[])
    | \ {0,3}"(?:[^"\\\n]|\\.)*"\s*(?::|,?\s*$)             # a key or a string in JSON
    | \ {0,3}>                                              # a quotation
    | \ {0,3}@[\w.]{1,80}(?:\([^\n]*\))?\s*$
    | \ {0,3}(?:async\s+def|def|class|func|fn)\s+\w{1,80}[^\n]{0,200}[:{(]\s*$
    | \ {0,3}import\s+[\w.*{][^\n]{0,160}(?<![.!?])$
    | \ {0,3}from\s+[\w.]{1,80}\s+import\b
    | \ {0,3}\#(?:include|define|!)
    | \ {0,3}(?:const|let|var|public|private|protected|static|function)\s[^\n]{0,200}[({=]
    | \ {0,3}(?:if|for|while|elif|with|except|else|try|finally|switch)\b[^\n]{0,120}[:{]\s*$
    | \ {0,3}(?:\$|>>>|\.\.\.)\s+\w
    | \ {0,3}(?:SELECT\s[^\n]*\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|CREATE\s+\w+|DELETE\s+FROM|ALTER\s+TABLE)\b
    | \ {0,3}(?:SELECT|FROM|WHERE|AND|OR|(?:(?:LEFT|RIGHT|INNER|OUTER|FULL|CROSS)\s)?JOIN|(?:GROUP|ORDER)\sBY|HAVING
        |LIMIT|VALUES|UNION|RETURNING)\b[^\n]{0,300}$
    | \ {0,3}(?:RUN|COPY|ADD|CMD|ENTRYPOINT|ENV|ARG|WORKDIR|EXPOSE|VOLUME|HEALTHCHECK|ONBUILD)\s+\S  # an image
    | \ {0,8}(?:File\ "[^"\n]{1,300}",\ line\ \d|at\ [\w$.<>]{1,150}\(|Caused\ by:\ |Traceback\ \(most)      # a trace
    | [\w.]{1,120}(?:Error|Exception|Warning)(?::\s|$)
    | \ {0,3}\((?:def\w*|let\*?|lambda|cond|setq?|ns|fn|require)\b                                              # Lisp
    | \ {0,8}(?:def\s+[\w.?!]{1,80}(?:\([^()\n]*\))?|end)\s*$                                               # Ruby
    | \ {0,3}[\w.\[\]'"]{1,80}\s{0,9}(?:[-+*/&]?=|:=|=>|<-)\s*\S     # an assignment
    | \ {0,3}[\w.]{1,80}\([^()\n]{0,200}\)\s*$              # a call
    """,
    re.VERBOSE,
)
_OPERATOR = re.compile(r"=>|->|&&|!=|==|::|</\w+>\s*$")
_QUOTED_FIELD = re.compile(r'"[^"\n]*"')
_COLUMNS = re.compile(r"\S {3,}\S")
_JSON_START = re.compile(r'\{\s*["}]|\[\s*(?:[\[{"\]]|-?\d|true|false|null)')
_CITATION = re.compile(r"\[\d{1,5}\]")
_BRACES = re.compile(r"\{[^{}\n]*(?:\{[^{}\n]*\}[^{}\n]*)*\}")

# A line with fewer bars than one in so many characters is prose with a bar in it.
_CELL = 400

_decoder = json.JSONDecoder(strict=False, parse_int=str, parse_float=str)


class Block(NamedTuple):
    """A stretch of text that is prose or verbatim.

    Attributes:
        joined_before: begins in the middle of a line, after something verbatim.
        joined_after: ends in the middle of a line, before something verbatim.
    """

    text: str
    prose: bool
    joined_before: bool = False
    joined_after: bool = False


def split_blocks(text: str) -> list[Block]:
    """A text's stretches in order; joined they are the text again."""
    lines = text.split("\n")
    verbatim = [_is_verbatim(line) for line in lines]
    _mark_fences(lines, verbatim)
    _mark_columns(lines, verbatim)
    for mark in (mark_keys, mark_preformatted, mark_directives):
        mark(lines, verbatim)
    if True in verbatim:
        _fill_gaps(lines, verbatim)
    blocks: list[Block] = []
    start = 0
    for index in range(1, len(lines) + 1):
        if index == len(lines) or verbatim[index] != verbatim[start]:
            chunk = "\n".join(lines[start:index]) + ("\n" if index < len(lines) else "")
            blocks += [Block(chunk, prose=False)] if verbatim[start] else _without_json(chunk)
            start = index
    return blocks


def _is_verbatim(line: str) -> bool:
    if not line:
        return False
    return (
        ("|" in line and line.count("|") * _CELL > len(line))
        or line.endswith((";", "{", "}"))
        or _VERBATIM_LINE.match(line) is not None
        or (len(line) < 300 and _OPERATOR.search(line) is not None)
    )


def _mark_fences(lines: list[str], verbatim: list[bool]) -> None:
    """Mark fenced code (CommonMark 4.5). With a fence left open, all from the first fence on is code."""
    fence, opened, first = "", 0, -1
    for index, line in enumerate(lines):
        match = _FENCE.match(line) if "```" in line or "~~~" in line else None
        if match is None:
            continue
        if not fence:
            if match[1][0] == "`" and "`" in match[2]:
                continue
            fence, opened = match[1], index
            first = index if first < 0 else first
        elif match[1].startswith(fence) and not match[2].strip():
            verbatim[opened : index + 1] = [True] * (index + 1 - opened)
            fence = ""
    if fence:
        verbatim[first:] = [True] * (len(lines) - first)


def _mark_columns(lines: list[str], verbatim: list[bool]) -> None:
    """Mark lines that stand in columns: separated values, and text aligned by spaces."""
    for key in (_tabs, _tight_commas, _semicolons, _aligned):
        _mark_runs(list(map(key, lines)), verbatim, least=2)
    _mark_runs(list(map(_loose_commas, lines)), verbatim, least=3)


def _mark_runs(keys: list[int], verbatim: list[bool], least: int) -> None:
    if not any(keys):
        return
    start = 0
    for index in range(1, len(keys) + 1):
        if index == len(keys) or keys[index] != keys[start]:
            if keys[start] and index - start >= least:
                verbatim[start:index] = [True] * (index - start)
            start = index


def _tabs(line: str) -> int:
    return line.count("\t")


def _fields(line: str, separator: str) -> int:
    return (_QUOTED_FIELD.sub("", line) if '"' in line else line).count(separator)


def _tight_commas(line: str) -> int:
    if "," not in line or (", " in line and '"' not in line):
        return 0
    bare = _QUOTED_FIELD.sub("", line)
    return 0 if ", " in bare else bare.count(",")


def _semicolons(line: str) -> int:
    count = _fields(line, ";") if ";" in line else 0
    return count if count > 1 else 0


def _loose_commas(line: str) -> int:
    if "," not in line or len(line) > 300 or line.rstrip().endswith((".", "!", "?", ":")):
        return 0
    count = _fields(line, ",")
    return count if count > 1 else 0


def _aligned(line: str) -> int:
    return 1 if "   " in line and _COLUMNS.search(line) else 0


def _fill_gaps(lines: list[str], verbatim: list[bool]) -> None:
    """Mark up to two short lines between verbatim ones, and any blank ones: they belong to the same code or table."""
    last = -1
    for index in [index for index, marked in enumerate(verbatim) if marked]:
        between = lines[last + 1 : index] if last >= 0 else []
        is_short = len(between) <= 2 and all(len(line) < 80 for line in between)
        if between and (is_short or not "".join(between).strip()):
            verbatim[last + 1 : index] = [True] * len(between)
        last = index


def _without_json(chunk: str) -> list[Block]:
    """Cut JSON and what stands in braces out of prose."""
    spans = _json_spans(chunk) if "{" in chunk or "[" in chunk else []
    if not spans:
        return [Block(chunk, prose=True)]
    blocks: list[Block] = []
    done = 0
    for start, end in [*spans, (len(chunk), len(chunk))]:
        if start > done:
            piece = chunk[done:start]
            before = done > 0 and not piece.startswith("\n")
            after = start < len(chunk) and not piece.endswith("\n")
            blocks.append(Block(piece, prose=True, joined_before=before, joined_after=after))
        if end > start:
            blocks.append(Block(chunk[start:end], prose=False))
        done = end
    return blocks


def _json_spans(chunk: str) -> list[tuple[int, int]]:
    """Where JSON values and braces are. The characters read in vain are bounded by the text's length."""
    spans: list[tuple[int, int]] = []
    position, budget = 0, 2 * len(chunk) + 1000
    while budget > 0 and (match := _JSON_START.search(chunk, position)):
        start = match.start()
        try:
            _, end = _decoder.raw_decode(chunk, start)
        except (ValueError, RecursionError) as error:
            budget -= max(16, getattr(error, "pos", start + 4000) - start)
            position = start + 1
            continue
        if not _CITATION.fullmatch(chunk, start, end):
            spans.append((start, end))
        position = end
    if "{" not in chunk:
        return spans
    gaps = zip([0, *(end for _, end in spans)], [*(start for start, _ in spans), len(chunk)], strict=True)
    braces = [match.span() for start, end in gaps for match in _BRACES.finditer(chunk, start, end)]
    return sorted(spans + braces)
