"""Documents of each kind, made here, for scenarios and tests; and hostile ones."""

import io
import struct
import zipfile
from collections.abc import Callable
from email.message import EmailMessage

SENTENCE = "The lighthouse keeper counts the ships that pass at night."


def text(paragraphs: int = 3) -> bytes:
    """Plain text; thirty paragraphs are about a page."""
    return "\n\n".join(f"Paragraph {number}. {SENTENCE}" for number in range(paragraphs)).encode()


def docx(*paragraphs: str) -> bytes:
    """A Word document with headings, paragraphs and a table."""
    import docx as python_docx

    document = python_docx.Document()
    document.add_heading("Harbours", 1)
    document.add_heading("Lights", 2)
    for paragraph in paragraphs or (SENTENCE,):
        document.add_paragraph(paragraph)
    table = document.add_table(rows=2, cols=2)
    for row, values in zip(table.rows, (("Light", "Metres"), ("Skagen", "46")), strict=True):
        for cell, value in zip(row.cells, values, strict=True):
            cell.text = value
    return saved(document)


def pptx(said: str = SENTENCE) -> bytes:
    """A deck of one slide."""
    import pptx as python_pptx

    deck = python_pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "Lights of the coast"
    slide.placeholders[1].text = said
    return saved(deck)


def xlsx(*metres: int) -> bytes:
    """A workbook of one sheet."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Lights"
    for row in (("Light", "Metres"), ("Skagen", 46), ("Hirtshals", 57), *(("Light", high) for high in metres)):
        sheet.append(row)
    return saved(book)


def saved(document: object) -> bytes:
    """What its `save` writes."""
    out = io.BytesIO()
    document.save(out)  # type: ignore[attr-defined]
    return out.getvalue()


def encrypted_xlsx() -> bytes:
    """A workbook that asks for a password."""
    from msoffcrypto.format.ooxml import OOXMLFile

    out = io.BytesIO()
    OOXMLFile(io.BytesIO(xlsx())).encrypt("secret", out)
    return out.getvalue()


def pdf(pages: int = 1, said: str = "", *, encrypted: bool = False) -> bytes:
    """A PDF 1.4 whose pages have two columns, written as ISO 32000-1 has it."""
    objects: list[bytes] = []
    kids = " ".join(f"{4 + 2 * page} 0 R" for page in range(pages))
    objects.append(b"<< /Type /Catalog /Pages 2 0 R >>")
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for page in range(pages):
        lines = [f"BT /F1 18 Tf 50 780 Td (Chapter {page + 1}) Tj ET"]
        for column, left in (("Left", 50), ("Right", 320)):
            lines += [
                f"BT /F1 10 Tf {left} {740 - 14 * row} Td ({column} line {row} of page {page + 1}.{said}) Tj ET"
                for row in range(12)
            ]
        stream = "\n".join(lines).encode()
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {5 + 2 * page} 0 R "
            f"/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    trailer = "/Root 1 0 R"
    if encrypted:
        # The standard security handler with a user password nobody knows: its check cannot succeed.
        objects.append(b"<< /Filter /Standard /V 1 /R 2 /P -44 /O <" + b"41" * 32 + b"> /U <" + b"42" * 32 + b"> >>")
        trailer += f" /Encrypt {len(objects)} 0 R /ID [<{'00' * 16}> <{'00' * 16}>]"
    return _assembled(objects, trailer)


def _assembled(objects: list[bytes], trailer: str) -> bytes:
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += f"trailer << /Size {len(objects) + 1} {trailer} >>\nstartxref\n{start}\n%%EOF".encode()
    return bytes(out)


def epub() -> bytes:
    """A book of two chapters, which its spine has the other way round."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        book.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
        )
        book.writestr(
            "OEBPS/book.opf",
            '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
            "<dc:title>The Keeper</dc:title></metadata><manifest>"
            '<item id="a" href="one.xhtml"/>'
            '<item id="b" href="two.xhtml"/></manifest>'
            '<spine><itemref idref="b"/><itemref idref="a"/></spine></package>',
        )
        book.writestr("OEBPS/one.xhtml", f"<html><body><h1>Last</h1><p>{SENTENCE}</p></body></html>")
        book.writestr("OEBPS/two.xhtml", f"<html><body><h1>First</h1><p>{SENTENCE}</p></body></html>")
    return out.getvalue()


def odt() -> bytes:
    """An OpenDocument text."""
    namespace = 'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
    text_space = 'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr(
            "content.xml",
            f"<office:document-content {namespace} {text_space}><office:body><office:text>"
            f'<text:h text:outline-level="1">Lights</text:h><text:p>{SENTENCE}</text:p>'
            "</office:text></office:body></office:document-content>",
        )
    return out.getvalue()


def eml(said: str = SENTENCE) -> bytes:
    """A mail in two forms."""
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Lamp oil", "keeper@example.com", "harbour@example.com"
    message.set_content(said)
    message.add_alternative(f"<p>{said}</p>", subtype="html")
    return bytes(message)


def png() -> bytes:
    """A picture without anything to read."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (40, 30), "navy").save(out, "PNG")
    return out.getvalue()


def written_on(kind: str, *pages: str) -> bytes:
    """A picture (`PNG`) or a scanned document (`PDF`) on which something is written: no text but pixels."""
    from PIL import Image, ImageDraw, ImageFont

    drawn = []
    for said in pages:
        page = Image.new("RGB", (1400, 300), "white")
        ImageDraw.Draw(page).text((40, 100), said, "black", ImageFont.load_default(44))
        drawn.append(page)
    out = io.BytesIO()
    if kind == "PDF":
        drawn[0].save(out, kind, resolution=150, save_all=True, append_images=drawn[1:])
    else:
        drawn[0].save(out, kind)
    return out.getvalue()


def html(body: str = f"<h1>Lights</h1><p>{SENTENCE}</p>") -> bytes:
    """A web page."""
    return f"<html><head><title>Lights</title></head><body>{body}</body></html>".encode()


def python_source() -> bytes:
    """A module with a function and a class."""
    return (
        b'"""Lights."""\n\nimport math\nfrom os import path\n\nHEIGHT = 46\n\n\n# Counts what passes.\n@cache\n'
        b"def count_ships(log):\n    return len(log)\n\n\nclass Keeper:\n    def __init__(self, name):\n"
        b"        self.name = name\n"
        b"\n    def light(self):\n        return math.pi\n"
    )


def zip_bomb(size: int) -> bytes:
    """A Word document of which one part unpacks to so many zeros."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("word/document.xml", "w", force_zip64=True) as part:
            for _ in range(size >> 20):
                part.write(bytes(1 << 20))
    return out.getvalue()


def xml_bomb() -> bytes:
    """A billion laughs."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "laugh">{entities}]><l>&l9;</l>'.encode()


def huge_picture() -> bytes:
    """A PNG that says it is 100,000 by 100,000 pixels."""
    import zlib

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(b"")) + part(b"IEND", b"")


def mixed(count: int) -> list[tuple[str, bytes]]:
    """So many documents with names, no two alike; eight in a hundred cannot be indexed."""
    return [_numbered(number) for number in range(count)]


def _numbered(number: int) -> tuple[str, bytes]:
    kind, make = next((kind, make) for first, kind, make in reversed(_MIXED) if number % 50 >= first)
    return f"{number}.{kind}", make(number)


def _paragraphs(number: int) -> list[str]:
    said = f"Note {number}. {SENTENCE}"
    return [f"{said} It is paragraph {part}, and {part * number} ships passed." for part in range(12)]


def _prose(number: int) -> str:
    return "\n\n".join(_paragraphs(number))


def _rows(number: int) -> str:
    return "".join(f"Skagen,{row},Note {number}. {SENTENCE}\n" for row in range(40))


# Of fifty documents, from which on each kind is; the first four cannot be indexed.
_MIXED: list[tuple[int, str, Callable[[int], bytes]]] = [
    (0, "xlsx", lambda number: encrypted_xlsx() + bytes(number)),
    (1, "bin", lambda number: bytes(range(256)) * 8 + str(number).encode()),
    (2, "docx", lambda number: docx(*_paragraphs(number))[: 2000 + number]),
    (3, "txt", lambda number: b" " * (number + 1)),
    (4, "txt", lambda number: _prose(number).encode()),
    (20, "md", lambda number: f"# Note {number}\n\n{_prose(number)}\n\n## Lights\n\n{_prose(number)}".encode()),
    (26, "html", lambda number: html("".join(f"<p>{paragraph}</p>" for paragraph in _paragraphs(number)))),
    (32, "docx", lambda number: docx(*_paragraphs(number))),
    (37, "pptx", lambda number: pptx(_prose(number))),
    (39, "csv", lambda number: _rows(number).encode()),
    (41, "xlsx", lambda number: xlsx(*range(number, number + 20))),
    (43, "pdf", lambda number: pdf(3, f" {number}")),
    (46, "py", lambda number: python_source() + f"\n\ndef note_{number}():\n    return {number}\n".encode()),
    (48, "eml", lambda number: eml(_prose(number))),
]
