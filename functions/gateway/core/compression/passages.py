"""Reads prose as passages of sentences, so that some may be left out and the rest be written back as it was."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from functions.gateway.core.compression.structure import Block
from functions.gateway.core.compression.words import words_of

_OMISSION = "[\u2026]"
_OMISSION_AT_END = re.compile(r"\[\u2026\][ \t\r]*(?:\n|\Z)")

_NOUN = (
    r"document|doc|passage|source|context|article|result|chunk|snippet|section|reference|excerpt|paragraph|page|record"
    r"|citation|item|dokument|quelle|abschnitt|extrait|fragmento|fuente"
)
_MARKER = re.compile(
    rf"""\ {{0,3}}(?:
      (?:{_NOUN})s?\s{{0,3}}(?:\#|no\.?|n\u00b0)?\s{{0,3}}[\[(]?\d{{1,6}}[\])]?\s{{0,3}}[:.)\u2013-]?
    | (?:{_NOUN}|title|url|content|text|abstract|background|titel|titre)\s{{0,3}}:
    | \[\^?\d{{1,6}}\]\s?:?
    | <[a-zA-Z][^<>\n]{{0,200}}>
    )(?:\s{{0,3}}\((?:[^()\n]|\([^()\n]{{0,200}}\)){{0,300}}\))?\s{{0,3}}:?[ ]{{0,3}}""",
    re.IGNORECASE | re.VERBOSE,
)
_MARKER_STARTS = frozenset("dpscarxefqitub[<" + "DPSCARXEFQITUB")
_BULLET = re.compile(r" {0,3}(?:[-*+\u2022\u2013]|\d{1,4}[.)])[ \t]+")
_HEADING = re.compile(r" {0,3}#{1,6}\s")
_LABEL = re.compile(
    r"\s*(?:final\s+|user\s+|my\s+)?(?:question|query|q|task|instructions?|request|frage|aufgabe|pregunta|tarea|t\u00e2che"
    r"|answer|a|antwort|respuesta|r\u00e9ponse|output|response)\s?\d{0,3}\s{0,3}:",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?\u2026][\"\u201d\u2019\u00bb')\]]*\s+(?=[^\sa-z])")
_UNSPACED_END = re.compile(r"[\u3002\uff01\uff1f][\u300d\u300f\u201d]?(?=\S)")
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Jr|vs|No|Nr|e\.g|i\.e|cf|ca|Prof|Gen|Fig)|\b[^\W\d_a-z])\.$")
_DIRECTIVE = re.compile(
    r"\b(?:you|your|please|must|should|do not|don't|never|always|ensure|make sure|answer|respond|reply|return|output"
    r"|format|use only|sie|bitte|vous|usted)\b",
    re.IGNORECASE,
)
_CLOSING = frozenset(".!?:;|>\u3002\uff01\uff1f")
# A line longer than this is a paragraph of its own.
PARAGRAPH_CHARACTERS = 150
_MAX_SENTENCES = 8
_PARAGRAPH_WORDS = 25


@dataclass(slots=True, eq=False)
class Sentence:
    """A sentence with the white space behind it.

    Attributes:
        fixed: must stay whole.
        asks: is the question itself.
        joined: shares its line with something verbatim.
        shares_rare: has a word of the question that few passages have.
        kept: what stays of it; None: all of it.
    """

    text: str
    words: list[str]
    passage: int
    fixed: bool
    asks: bool = False
    joined: bool = False
    score: float = 0.0
    shares_rare: bool = False
    kept: list[str] | None = None


@dataclass(slots=True)
class Line:
    """A line, or lines that one sentence is wrapped over: its marker, its sentences, its line breaks."""

    marker: str
    sentences: list[Sentence]
    end: str

    def render(self) -> str:
        """The line without what was left out of it."""
        pieces: list[str] = []
        fragment = whole = True
        for sentence in self.sentences:
            was_fragment, fragment = fragment, sentence.kept is not None
            whole = whole and not fragment
            for piece in [sentence.text] if sentence.kept is None else sentence.kept:
                if pieces and (fragment or was_fragment):
                    pieces[-1] = pieces[-1].rstrip() + " \u2026 "
                    was_fragment = True
                pieces.append(piece)
        if whole:
            text = self.marker + "".join(pieces)
            return text + self.end if text or not self.sentences else ""
        # A bullet stands for nothing, a number in its place may be referred to.
        marker = self.marker if pieces or any(map(str.isalnum, self.marker)) else ""
        text = (marker + "".join(pieces)).rstrip()
        return f"{text} {_OMISSION}{self.end}" if text else _OMISSION + self.end


@dataclass(slots=True)
class Passage:
    """Sentences that belong together.

    Attributes:
        title: words of its marker or heading.
        is_material: a marker or a tool shows that it is something to read, not words to obey.
    """

    title: list[str] = field(default_factory=list)
    is_material: bool = False
    sentences: list[Sentence] = field(default_factory=list)
    words: int = 0


@dataclass(slots=True)
class Page:
    """One text of a conversation: verbatim stretches as they are, prose as lines."""

    parts: list[str | Line] = field(default_factory=list)
    is_data: bool = False

    def render(self) -> str:
        """The text without what was left out of it."""
        pieces: list[str] = []
        emptied = omitted = False
        for part in self.parts:
            if isinstance(part, Line):
                text = part.render()
                if omitted and text.rstrip() == _OMISSION:
                    text = ""
                emptied = not text
                omitted = text.rstrip().endswith(_OMISSION) or (omitted and emptied)
                pieces.append(text)
            elif not emptied or part.strip():
                pieces.append(part)
                emptied = False
                omitted = omitted and not part.strip()
        return "".join(pieces)

    def lines(self) -> Iterator[Line]:
        """Its lines of prose in order."""
        return (part for part in self.parts if isinstance(part, Line))


def was_pruned(text: str) -> bool:
    """Whether a text went through this before: a paragraph of it ends with the mark of an omission."""
    return "[\u2026]" in text and _OMISSION_AT_END.search(text) is not None


class Reading:
    """The passages of a whole conversation.

    Attributes:
        pages: one for each text that may be shortened.
        passages: of all pages in order.
    """

    def __init__(self) -> None:
        self.pages: list[Page] = []
        self.passages: list[Passage] = []

    def add(self, blocks: list[Block], *, is_data: bool) -> Page:
        """Read one more text.

        Args:
            is_data: nobody speaks in it: a tool's result.
        """
        page = Page(is_data=is_data)
        self.pages.append(page)
        self._open(is_material=is_data)
        for block in blocks:
            if not block.prose:
                page.parts.append(block.text)
                continue
            lines = [self._read_line(text, is_data) for text in _logical_lines(block.text)]
            page.parts += lines
            _fix_joints(block, lines)
        return page

    def _open(self, *, is_material: bool, title: list[str] | None = None) -> Passage:
        passage = Passage(title or [], is_material)
        self.passages.append(passage)
        return passage

    def _read_line(self, text: str, is_data: bool) -> str | Line:
        stripped = text.rstrip("\r\n")
        if not stripped or stripped.isspace():
            self._open(is_material=is_data, title=self.passages[-1].title)
            return text
        if _HEADING.match(stripped):
            self._open(is_material=is_data, title=words_of(stripped))
            return text
        marker = self._marker(stripped, is_data)
        if not marker and self.passages[-1].words >= _PARAGRAPH_WORDS and len(stripped) > PARAGRAPH_CHARACTERS:
            last = self.passages[-1]
            self._open(is_material=last.is_material, title=last.title)
        return self._sentences(marker, stripped, text[len(stripped) :])

    def _marker(self, line: str, is_data: bool) -> str:
        """What stands before a line's first sentence; a passage's marker begins a new passage."""
        if line.lstrip()[:1] in _MARKER_STARTS and (match := _MARKER.match(line)):
            self._open(is_material=True, title=words_of(match[0]))
            return match[0]
        if _LABEL.match(line):
            self._open(is_material=is_data)
            return ""
        match = _BULLET.match(line)
        return match[0] if match else line[: len(line) - len(line.lstrip())]

    def _sentences(self, marker: str, line: str, end: str) -> Line:
        passage = self.passages[-1]
        texts = _split_sentences(line[len(marker) :])
        counted = [words_of(text) for text in texts]
        fixed = _is_fixed_line(line, marker, sum(map(len, counted)), data=passage.is_material)
        sentences: list[Sentence] = []
        for text, words in zip(texts, counted, strict=True):
            if len(passage.sentences) >= _MAX_SENTENCES:
                passage = self._open(is_material=passage.is_material, title=passage.title)
            is_fixed = fixed or (not passage.is_material and _DIRECTIVE.search(text) is not None)
            sentence = Sentence(text, words, len(self.passages) - 1, is_fixed)
            passage.sentences.append(sentence)
            passage.words += len(words)
            sentences.append(sentence)
        return Line(marker, sentences, end)


def _is_fixed_line(line: str, marker: str, words: int, *, data: bool) -> bool:
    """Whether a line is too short to lose anything, or says something about the lines around it."""
    if line.endswith(":") or _LABEL.match(line):
        return True
    if words >= 12:
        return False
    ended = line.endswith((".", "!", "?", "\u3002", '"', "\u201d", ")"))
    return not (data and words >= 4 and ended) and not (ended and words >= 8 and not marker.strip())


def _fix_joints(block: Block, lines: list[str | Line]) -> None:
    """Keep the lines that something verbatim stands in."""
    ends = [(block.joined_before, 0), (block.joined_after, -1)]
    for line in [lines[index] for joined, index in ends if joined and lines]:
        for sentence in line.sentences if isinstance(line, Line) else ():
            sentence.fixed = sentence.joined = True


def _logical_lines(text: str) -> list[str]:
    """Lines with their breaks; lines that a paragraph was wrapped into come as one."""
    lines = text.splitlines(keepends=True) if "\r" in text else re.findall(r"[^\n]*\n|[^\n]+", text)
    if len(lines) < 2:
        return lines
    joined = [lines[0]]
    previous = lines[0]
    for line in lines[1:]:
        if _is_wrapped(previous, line):
            joined[-1] += line
        else:
            joined.append(line)
        previous = line
    return joined


def _is_wrapped(line: str, following: str) -> bool:
    """Whether a paragraph goes on in the following line: the line is about as long as editors make them, and open."""
    if not 50 <= len(line) <= 160 or line.rstrip()[-1:] in _CLOSING:
        return False
    if not following.strip() or following[:1] in "#<[":
        return False
    return not (_BULLET.match(following) or _LABEL.match(following) or _MARKER.match(following))


def _split_sentences(text: str) -> list[str]:
    cuts: list[int] = []
    for match in _SENTENCE_END.finditer(text):
        start = match.start()
        if text[start] == "." and _ABBREVIATION.search(text, max(0, start - 6), start + 1):
            continue
        cuts.append(match.end())
    if not text.isascii():
        cuts = sorted({*cuts, *(match.end() for match in _UNSPACED_END.finditer(text))})
    if not cuts:
        return [text]
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    return _balanced(pieces) if '"' in text or "(" in text or "\u201c" in text else pieces


def _balanced(pieces: list[str]) -> list[str]:
    """Join pieces so that no quotation and no bracket is cut, unless it would take more than five."""
    whole: list[str] = []
    open_for = 0
    for piece in pieces:
        if open_for and open_for < 5:
            whole[-1] += piece
        else:
            whole.append(piece)
            open_for = 0
        last = whole[-1]
        is_open = (
            last.count('"') % 2 or last.count("(") > last.count(")") or last.count("\u201c") > last.count("\u201d")
        )
        open_for = open_for + 1 if is_open else 0
    return whole
