"""OpenDocument texts (ODF 1.3, part 3): headings and paragraphs, read as a stream."""

import zipfile

from functions.knowledge.adapters.parsing.reading import Source
from functions.knowledge.core.blocks import BlockWriter, Outline
from functions.knowledge.core.reasons import CannotIngest, Reason

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"


def preload() -> None:
    """Import what it needs."""
    import lxml.etree  # noqa: F401


def read(source: Source, out: BlockWriter) -> Outline:
    """Headings with their levels, paragraphs as text."""
    from lxml import etree

    try:
        with zipfile.ZipFile(source.path) as archive, archive.open("content.xml") as content:
            events = etree.iterparse(
                content, events=("end",), tag=(f"{_TEXT}h", f"{_TEXT}p"), resolve_entities=False, no_network=True
            )
            for _, element in events:
                text = "".join(element.itertext())
                if element.tag.endswith("}h"):
                    out.add("heading", text, level=int(element.get(f"{_TEXT}outline-level", "1")))
                else:
                    out.add("text", text)
                element.clear(keep_tail=True)
    except (KeyError, zipfile.BadZipFile, etree.XMLSyntaxError) as error:
        raise CannotIngest(Reason.CORRUPT, f"it is not an OpenDocument text: {error}"[:300]) from error
    return Outline(source.format.value)
