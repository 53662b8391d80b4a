"""EPUB books (EPUB 3.3): the chapters in the order of their spine, one at a time."""

import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from functions.knowledge.adapters.parsing.formats.office import html_elements, write_elements
from functions.knowledge.adapters.parsing.reading import Source
from functions.knowledge.core.blocks import BlockWriter, Outline
from functions.knowledge.core.reasons import CannotIngest, Reason

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"


def preload() -> None:
    """Import what it needs."""
    import lxml.etree  # noqa: F401


def read(source: Source, out: BlockWriter) -> Outline:
    """Each chapter as the web page that it is."""
    from lxml import etree

    try:
        with zipfile.ZipFile(source.path) as archive:
            package_path, package = _package(archive)
            title = package.findtext(".//{*}metadata/{*}title") or ""
            for chapter in _spine(package_path, package):
                if chapter in archive.NameToInfo:
                    write_elements(html_elements(archive.read(chapter).decode("utf-8-sig", "replace")), out)
            if not out.position and _ENCRYPTION in archive.NameToInfo:
                raise CannotIngest(Reason.ENCRYPTED, "its content is encrypted")
    except (KeyError, zipfile.BadZipFile, etree.XMLSyntaxError) as error:
        raise CannotIngest(Reason.CORRUPT, f"it is not an EPUB book: {error}"[:300]) from error
    return Outline(source.format.value, title=title.strip())


def _package(archive: zipfile.ZipFile) -> tuple[str, Any]:
    container = _xml(archive.read(_CONTAINER))
    rootfile = container.find(".//{*}rootfile")
    if rootfile is None:
        raise CannotIngest(Reason.CORRUPT, "the book names no package")
    path = str(rootfile.get("full-path"))
    return path, _xml(archive.read(path))


def _spine(package_path: str, package: Any) -> Iterator[str]:
    folder = posixpath.dirname(package_path)
    files = {item.get("id"): item.get("href") for item in package.iterfind(".//{*}manifest/{*}item")}
    for entry in package.iterfind(".//{*}spine/{*}itemref"):
        if href := files.get(entry.get("idref")):
            yield posixpath.normpath(posixpath.join(folder, unquote(href)))


def _xml(content: bytes) -> Any:
    from lxml import etree

    return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
