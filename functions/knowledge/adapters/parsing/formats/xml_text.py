"""XML: the text of its elements, read as a stream; entities and references to elsewhere are not followed."""

from functions.knowledge.adapters.parsing.reading import Source
from functions.knowledge.core.blocks import BlockWriter, Outline
from functions.knowledge.core.reasons import CannotIngest, Reason

_ENOUGH = 400
_PIECE = 1 << 16


def preload() -> None:
    """Import what it needs."""
    import lxml.etree  # noqa: F401


def read(source: Source, out: BlockWriter) -> Outline:
    """One block after another of the text that elements hold, a line an element."""
    from lxml import etree

    parser = etree.XMLParser(target=_Collector(out), resolve_entities=False, no_network=True, load_dtd=False)
    try:
        with source.path.open("rb") as file:
            while piece := file.read(_PIECE):
                parser.feed(piece)
        parser.close()
    except etree.XMLSyntaxError as error:
        raise CannotIngest(Reason.CORRUPT, f"it is not XML: {error}"[:300]) from error
    return Outline(source.format.value)


class _Collector:
    """lxml's parser target (lxml, "The target parser interface")."""

    def __init__(self, out: BlockWriter) -> None:
        self._out = out
        self._line: list[str] = []
        self._held: list[str] = []
        self._size = 0

    def start(self, tag: str, attributes: object) -> None:
        """An element begins."""
        del tag, attributes
        self._end_line()

    def end(self, tag: str) -> None:
        """An element ends."""
        del tag
        self._end_line()

    def data(self, text: str) -> None:
        """Text within an element."""
        self._line.append(text)
        self._size += len(text)

    def close(self) -> None:
        """The document ends."""
        self._end_line()
        self._flush()

    def _end_line(self) -> None:
        line = " ".join("".join(self._line).split())
        self._line.clear()
        if line:
            self._held.append(line)
        if self._size >= _ENOUGH:
            self._flush()

    def _flush(self) -> None:
        self._out.add("text", "\n".join(self._held))
        self._held.clear()
        self._size = 0
