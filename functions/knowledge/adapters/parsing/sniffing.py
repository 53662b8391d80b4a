"""Finds out what a document is: by its first bytes, then by what is in it, last by its name."""

import zipfile
from enum import StrEnum
from pathlib import Path, PurePosixPath

from functions.knowledge.adapters.parsing.languages import language_of
from functions.knowledge.core.reasons import CannotIngest, Reason


class Format(StrEnum):
    """What can be read; the value is the media type."""

    TEXT = "text/plain"
    RST = "text/x-rst"
    MARKDOWN = "text/markdown"
    HTML = "text/html"
    XML = "application/xml"
    JSON = "application/json"
    CSV = "text/csv"
    CODE = "text/x-source"
    RTF = "application/rtf"
    EML = "message/rfc822"
    MSG = "application/vnd.ms-outlook"
    PDF = "application/pdf"
    DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    XLS = "application/vnd.ms-excel"
    ODT = "application/vnd.oasis.opendocument.text"
    EPUB = "application/epub+zip"
    IMAGE = "image/*"


_HEAD = 8192
_MOST_ENTRIES = 20_000
# A document packs to a tenth; what packs to a thousandth is made to be unpacked.
_MOST_RATIO = 500
_RATIO_MATTERS_FROM = 16 << 20
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*")
_OTHER_BINARY = (
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
_BINARY_BY_NAME = {
    ".pdf": Format.PDF,
    ".docx": Format.DOCX,
    ".pptx": Format.PPTX,
    ".xlsx": Format.XLSX,
    ".xls": Format.XLS,
    ".odt": Format.ODT,
    ".epub": Format.EPUB,
    ".msg": Format.MSG,
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".webp", ".tif", ".tiff", ".bmp"), Format.IMAGE),
}
_TEXT_BY_NAME = {
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".xhtml": Format.HTML,
    ".xml": Format.XML,
    ".json": Format.JSON,
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".rst": Format.RST,
    ".eml": Format.EML,
    ".txt": Format.TEXT,
    ".text": Format.TEXT,
    ".log": Format.TEXT,
}
_TEXT_TYPES = {
    "text/markdown": Format.MARKDOWN,
    "text/html": Format.HTML,
    "application/xhtml+xml": Format.HTML,
    "application/xml": Format.XML,
    "text/xml": Format.XML,
    "application/json": Format.JSON,
    "text/csv": Format.CSV,
    "text/tab-separated-values": Format.CSV,
    "message/rfc822": Format.EML,
    "text/x-rst": Format.RST,
}
_UNDER = {"word/": Format.DOCX, "ppt/": Format.PPTX, "xl/": Format.XLSX}
_MIMETYPES = {b"application/epub+zip": Format.EPUB, b"application/vnd.oasis.opendocument.text": Format.ODT}
_STREAMS = {"Workbook": Format.XLS, "Book": Format.XLS, "__properties_version1.0": Format.MSG}
_LEGACY = {"WordDocument": "Word 97", "PowerPoint Document": "PowerPoint 97"}


def sniff(path: Path, name: str, media_type: str, most_unpacked: int) -> Format:
    """The format of a document.

    Args:
        media_type: what whoever sent it says it is, a hint.
        most_unpacked: bytes that an archive may hold.

    Raises:
        CannotIngest: it is of no known format, encrypted, broken or a bomb.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    suffix = PurePosixPath(name.lower()).suffix
    if b"%PDF-" in head[:1024]:
        return Format.PDF
    if head.startswith(_ZIP):
        return _zipped(path, most_unpacked)
    if head.startswith(_OLE):
        return _compound(path)
    if head.startswith(b"{\\rtf"):
        return Format.RTF
    if head.startswith(_IMAGES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return Format.IMAGE
    for magic, what in _OTHER_BINARY:
        if head.startswith(magic) and not _is_text(head):
            raise CannotIngest(Reason.UNKNOWN_TYPE, f"{what} cannot be read; unpack it and send what is in it")
    if suffix in _BINARY_BY_NAME:
        expected = _BINARY_BY_NAME[suffix]
        raise CannotIngest(Reason.CORRUPT, f"it is named {suffix} and is not {expected.value}")
    if not _is_text(head):
        raise CannotIngest(Reason.UNKNOWN_TYPE, "it is neither text nor a document of a known format")
    return _textual(head, name, suffix, media_type)


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return True
    if b"\x00" in head:
        # UTF-16 without a mark: every other byte of what is mostly Latin is zero.
        even, odd = head[0::2].count(0), head[1::2].count(0)
        return len(head) >= 16 and max(even, odd) > 0.3 * len(head) / 2 and min(even, odd) < 0.05 * len(head) / 2
    control = sum(head.count(byte) for byte in range(32) if byte not in b"\t\n\r\x0c\x1b\x08")
    return control <= len(head) * 0.02


def _textual(head: bytes, name: str, suffix: str, media_type: str) -> Format:
    if suffix in _TEXT_BY_NAME:
        return _TEXT_BY_NAME[suffix]
    if language_of(name):
        return Format.CODE
    plain_type = media_type.partition(";")[0].strip().lower()
    if plain_type in _TEXT_TYPES:
        return _TEXT_TYPES[plain_type]
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return Format.HTML
    if start.startswith(b"<?xml"):
        return Format.XML
    return Format.TEXT


def _zipped(path: Path, most_unpacked: int) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _refuse_bombs(entries, path.stat().st_size, most_unpacked)
            if any(entry.flag_bits & 1 for entry in entries):
                raise CannotIngest(Reason.ENCRYPTED, "its content is encrypted")
            names = [entry.filename for entry in entries]
            if "mimetype" in names:
                with archive.open("mimetype") as file:
                    kind = _MIMETYPES.get(file.read(200).strip())
                if kind:
                    return kind
            for folder, office in _UNDER.items():
                if "[Content_Types].xml" in names and any(entry.startswith(folder) for entry in names):
                    return office
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, ValueError) as error:
        raise CannotIngest(Reason.CORRUPT, f"its archive is broken: {error}") from error
    raise CannotIngest(Reason.UNKNOWN_TYPE, "a ZIP archive cannot be read; unpack it and send what is in it")


def _refuse_bombs(entries: list[zipfile.ZipInfo], packed: int, most_unpacked: int) -> None:
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > _MOST_ENTRIES or unpacked > most_unpacked:
        raise CannotIngest(Reason.ZIP_BOMB, f"it unpacks to {unpacked} bytes in {len(entries)} files")
    if unpacked > _RATIO_MATTERS_FROM and unpacked > packed * _MOST_RATIO:
        raise CannotIngest(Reason.ZIP_BOMB, f"{packed} bytes unpack to {unpacked}")


def _compound(path: Path) -> Format:
    """An OLE compound file: older office formats, mail of Outlook, and encrypted newer ones."""
    import olefile

    try:
        with olefile.OleFileIO(path) as file:
            streams = {entry[0] for entry in file.listdir()}
    except OSError as error:
        raise CannotIngest(Reason.CORRUPT, f"its container is broken: {error}") from error
    if "EncryptedPackage" in streams:
        raise CannotIngest(Reason.ENCRYPTED, "its content is encrypted; send it without a password")
    for stream, kind in _STREAMS.items():
        if stream in streams:
            return kind
    for stream, what in _LEGACY.items():
        if stream in streams:
            raise CannotIngest(Reason.UNKNOWN_TYPE, f"{what} cannot be read; save it in the present format")
    raise CannotIngest(Reason.UNKNOWN_TYPE, "it is a compound file of no known kind")
