"""Documents of each kind are read in limited processes; hostile ones fail alone, for a reason that is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from functions.kit.errors import DependencyUnavailable
from functions.knowledge.adapters.parsing.formats import ocr
from functions.knowledge.adapters.parsing.pool import ParseLimits, ParserPool
from functions.knowledge.core.blocks import Outline, read_outline
from functions.knowledge.core.models import ChunkSettings, ChunkStrategy
from functions.knowledge.core.reasons import CannotIngest, Reason
from scenarios.load import documents as files

DOCUMENTS = Path(__file__).parents[4] / "shared" / "data" / "documents"
CANNOT = {
    "empty.txt": Reason.EMPTY,
    "empty.xlsx": Reason.EMPTY,
    "fake-text-all-whitespace.txt": Reason.EMPTY,
    "password.pdf": Reason.ENCRYPTED,
    "password_protected.xlsx": Reason.ENCRYPTED,
}
if not ocr.is_installed():
    CANNOT["single_table.pdf"] = Reason.NO_TEXT
needs_ocr = pytest.mark.skipif(not ocr.is_installed(), reason="there is no OCR: the program tesseract is not installed")


@dataclass(frozen=True)
class Parsed:
    outline: Outline
    text: str
    chunks: list[dict[str, Any]]

    @property
    def symbols(self) -> dict[str, tuple[int, int]]:
        return {chunk["symbol"]: (chunk["line_start"], chunk["line_end"]) for chunk in self.chunks if "symbol" in chunk}


class Reading:
    """Reads and cuts contents, under other limits where a test wants them."""

    def __init__(self, pool: ParserPool, folder: Path) -> None:
        self.pool = pool
        self.folder = folder
        self.count = 0

    async def __call__(self, content: bytes, name: str, strategy: ChunkStrategy = "structure", **limits: Any) -> Parsed:
        self.count += 1
        folder = self.folder / str(self.count)
        folder.mkdir()
        (folder / "original").write_bytes(content)
        usual = self.pool._limits
        self.pool._limits = replace(usual, **limits)
        try:
            await self.pool.parse(folder, name, "", ChunkSettings(strategy, 64, 8), tenant_id="t")
            outline = read_outline(folder / "blocks")
            if outline.is_picture:
                return Parsed(outline, "", [])
        finally:
            self.pool._limits = usual
        text = (folder / "text").read_bytes().decode()
        chunks = [json.loads(line) for line in (folder / "chunks").read_text().splitlines()]
        assert all(text[chunk["start"] : chunk["end"]] == chunk["text"] for chunk in chunks)
        return Parsed(outline, text, chunks)

    async def refused(self, content: bytes, name: str, **limits: Any) -> Reason:
        with pytest.raises(CannotIngest) as refusal:
            await self(content, name, **limits)
        assert refusal.value.detail
        return refusal.value.reason


@pytest_asyncio.fixture(scope="session")
async def pool() -> AsyncIterator[ParserPool]:
    pool = ParserPool(2, ParseLimits())
    yield pool
    await pool.close()


@pytest.fixture
def read(pool: ParserPool, tmp_path: Path) -> Reading:
    return Reading(pool, tmp_path)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (files.text, "notes.txt"),
        (files.docx, "notes.docx"),
        (files.pptx, "notes.pptx"),
        (files.html, "notes.html"),
        (files.epub, "notes.epub"),
        (files.odt, "notes.odt"),
        (files.eml, "notes.eml"),
        (f"# Lights\n\n{files.SENTENCE}\n".encode, "notes.md"),
        (f"Lights\n======\n\n{files.SENTENCE}\n".encode, "notes.rst"),
        (f"<a><b>{files.SENTENCE}</b></a>".encode, "notes.xml"),
        (rf"{{\rtf1\ansi {files.SENTENCE}\par}}".encode, "notes.rtf"),
        (lambda: json.dumps({"note": files.SENTENCE}).encode(), "notes.json"),
        (f"light,note\nSkagen,{files.SENTENCE}\n".encode, "notes.csv"),
        # What it is, its content tells; its name need not.
        (files.docx, "notes"),
        (files.epub, "notes.zip"),
    ],
)
async def test_every_kind_is_read(read: Reading, make: Callable[[], bytes], name: str) -> None:
    for strategy in ("structure", "sentence", "fixed"):
        parsed = await read(make(), name, strategy)
        assert files.SENTENCE in parsed.text
        assert files.SENTENCE in " ".join(chunk["text"] for chunk in parsed.chunks)


async def test_headings_and_tables_are_told(read: Reading) -> None:
    parsed = await read(files.docx(), "a.docx")
    assert [chunk["headings"] for chunk in parsed.chunks] == [["Harbours", "Lights"]] * 2
    assert parsed.chunks[1]["kind"] == "table"
    assert parsed.chunks[1]["text"] == "Light | Metres\nSkagen | 46"
    book = await read(files.epub(), "a.epub")
    assert (book.outline.title, [chunk["headings"] for chunk in book.chunks]) == ("The Keeper", [["First"], ["Last"]])
    sheet = await read(files.xlsx(), "a.xlsx")
    assert [(chunk["page"], chunk["headings"], chunk["columns"]) for chunk in sheet.chunks] == [
        (1, ["Lights"], "Light | Metres")
    ]


async def test_a_pdf_is_read_page_by_page_and_column_by_column(read: Reading) -> None:
    parsed = await read(files.pdf(3), "a.pdf")
    assert parsed.outline.pages == 3
    assert parsed.text.index("Left line 11 of page 1") < parsed.text.index("Right line 0 of page 1")
    assert {chunk["page"] for chunk in parsed.chunks} == {1, 2, 3}
    assert parsed.chunks[0]["headings"] == ["Chapter 1"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1251", "shift_jis"])
async def test_text_is_read_in_any_encoding(read: Reading, encoding: str) -> None:
    said = (
        "ハーバーの灯台守は夜に通る船を数えます。" if encoding == "shift_jis" else "Смотритель маяка считает корабли. "
    )
    said = "The keeper counts ships at night." if encoding == "utf-16-le" else said
    parsed = await read((said * 20).encode(encoding), "a.txt")
    assert said.strip() in parsed.text


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"<html><body><pre>ships&#13;&#10;that&#13;pass</pre><p>The keeper counts.</p></body></html>", "a.html"),
        (rb"{\rtf1\ansi ships\'0d\'0athat\'0dpass\par The keeper counts.\par}", "a.rtf"),
        (b"ships\r\nthat\rpass\r\n\r\nThe keeper counts.\r\n", "a.txt"),
    ],
)
async def test_positions_hold_however_lines_end(read: Reading, content: bytes, name: str) -> None:
    parsed = await read(content * 20 if name == "a.txt" else content, name)
    assert "\r" not in parsed.text
    assert parsed.text.startswith("ships\nthat\npass")


async def test_code_is_cut_along_its_symbols(read: Reading) -> None:
    parsed = await read(files.python_source(), "src/lights.py")
    assert parsed.symbols == {
        "count_ships": (9, 12),
        "Keeper.__init__": (16, 17),
        "Keeper.light": (19, 20),
        "Keeper": (15, 15),
    }
    assert parsed.outline.language == "python"
    assert list(parsed.outline.imports) == ["import math", "from os import path"]
    lines = files.python_source().decode().splitlines()
    for chunk in parsed.chunks:
        assert chunk["text"].splitlines() == lines[chunk["line_start"] - 1 : chunk["line_end"]]


@pytest.mark.parametrize(
    ("name", "source", "symbols"),
    [
        ("a.js", "export const add = (a, b) => a + b\nclass A { go() { return 1 } }\n", {"add", "A.go"}),
        (
            "a.ts",
            "interface Ship { name: string }\nexport function count(s: Ship[]): number { return 1 }",
            {"Ship", "count"},
        ),
        ("a.tsx", "export function View() { return <b/> }", {"View"}),
        ("a.java", "class A { int f() { return 1; } }", {"A.f"}),
        ("a.go", "package a\n\nfunc Count() int { return 1 }\n\nfunc (k *Keeper) Light() {}\n", {"Count", "Light"}),
        ("a.rs", "struct K;\nimpl K { fn light(&self) {} }\nfn main() {}\n", {"K", "K.light", "main"}),
        ("a.c", "int count(int n) { return n; }\n", {"count"}),
        ("a.cpp", "namespace sea { class K { int light() { return 1; } }; }\n", {"sea.K.light"}),
        ("a.cs", "namespace Sea { class K { int Light() { return 1; } } }\n", {"Sea.K.Light"}),
        ("a.rb", "class K\n  def light\n    1\n  end\nend\n", {"K.light"}),
        ("a.php", "<?php\nclass K { function light() { return 1; } }\n", {"K.light"}),
        ("a.sh", "count() {\n  echo 1\n}\n", {"count"}),
        ("a.kt", "class K { fun light() = 1 }\n", {"K.light"}),
        ("a.scala", "object K { def light() = 1 }\n", {"K.light"}),
    ],
)
async def test_symbols_of_the_common_languages(read: Reading, name: str, source: str, symbols: set[str]) -> None:
    parsed = await read(source.encode(), name)
    assert symbols <= set(parsed.symbols)


async def test_a_picture_is_made_ready_to_be_described(read: Reading) -> None:
    assert (await read(files.png(), "a.png")).outline.is_picture


@needs_ocr
async def test_what_is_written_on_a_picture_and_on_scanned_pages_is_read(read: Reading) -> None:
    picture = await read(files.written_on("PNG", files.SENTENCE), "sign.png")
    assert picture.outline.is_picture
    assert (read.folder / "1" / "text").read_text() == files.SENTENCE
    scanned = await read(files.written_on("PDF", files.SENTENCE, "Lamp oil is kept in the cellar."), "scan.pdf")
    assert scanned.text == f"{files.SENTENCE}\n\nLamp oil is kept in the cellar."
    assert scanned.outline.pages == 2
    # Neither noise nor a page that shows something else is text.
    assert await read.refused(files.written_on("PDF", "~"), "blot.pdf") is Reason.NO_TEXT


@needs_ocr
async def test_ocr_that_takes_too_long_is_ended_with_its_document(read: Reading) -> None:
    pages = files.written_on("PDF", *(f"{number}. {files.SENTENCE}" for number in range(60)))
    assert await read.refused(pages, "long.pdf", seconds=1.0) is Reason.TIMEOUT


async def test_a_scanned_page_without_ocr_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    pool = ParserPool(1, ParseLimits())
    try:
        read = Reading(pool, tmp_path)
        assert await read.refused(files.written_on("PDF", files.SENTENCE), "scan.pdf") is Reason.NO_TEXT
    finally:
        await pool.close()


@needs_ocr
async def test_a_document_waits_for_an_ocr_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "tesseract").write_text("#!/nowhere\n")
    (programs / "tesseract").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    pool = ParserPool(1, ParseLimits())
    try:
        with pytest.raises(DependencyUnavailable, match="does not tell its languages"):
            await Reading(pool, tmp_path)(files.written_on("PDF", files.SENTENCE), "scan.pdf")
    finally:
        await pool.close()


async def test_what_was_read_before_can_be_cut_otherwise(read: Reading) -> None:
    parsed = await read(files.text(40), "a.txt")
    folder = read.folder / str(read.count)
    await read.pool.cut(folder, ChunkSettings("structure", 512, 0), tenant_id="t")
    wider = [json.loads(line) for line in (folder / "chunks").read_text().splitlines()]
    assert 0 < len(wider) < len(parsed.chunks)
    assert wider[-1]["end"] == parsed.chunks[-1]["end"]


async def test_hostile_documents_fail_for_a_reason(read: Reading) -> None:
    assert await read.refused(b"", "a.txt") is Reason.EMPTY
    assert await read.refused(b" \n\n ", "a.txt") is Reason.EMPTY
    assert await read.refused(files.encrypted_xlsx(), "a.xlsx") is Reason.ENCRYPTED
    assert await read.refused(files.pdf(encrypted=True), "a.pdf") is Reason.ENCRYPTED
    assert await read.refused(files.docx()[:2000], "a.docx") is Reason.CORRUPT
    assert await read.refused(b"%PDF-1.7 and nothing of it is true", "a.pdf") is Reason.CORRUPT
    assert await read.refused(b"just text", "a.pdf") is Reason.CORRUPT
    assert await read.refused(files.zip_bomb(32 << 20), "a.docx") is Reason.ZIP_BOMB
    assert await read.refused(files.zip_bomb(4 << 20), "a.docx", unpacked_bytes=1 << 20) is Reason.ZIP_BOMB
    assert await read.refused(files.huge_picture(), "a.png") is Reason.TOO_LARGE
    assert await read.refused(files.text(2000), "a.txt", text_bytes=10_000) is Reason.TOO_LARGE
    assert await read.refused(bytes(range(256)) * 20, "a.bin") is Reason.UNKNOWN_TYPE
    assert await read.refused(b"\x7fELF\x02\x01\x01" + bytes(500), "a.out") is Reason.UNKNOWN_TYPE
    assert await read.refused(b"PK\x03\x04 not an archive", "a.zip") is Reason.CORRUPT
    assert await read.refused(b"<a" * 50_000, "a.xml") is Reason.CORRUPT
    laughs = await read.refused(files.xml_bomb(), "a.xml")
    assert laughs in {Reason.CORRUPT, Reason.EMPTY}


async def test_what_takes_too_much_fails_alone(read: Reading) -> None:
    pages = b"<html><body>" + b"<div><p>The keeper counts ships.</p></div>" * 60_000 + b"</body></html>"
    assert await read.refused(pages, "a.html", seconds=0.05) is Reason.TIMEOUT
    hungry, modest = await asyncio.gather(
        read.refused(pages, "b.html", memory_bytes=24 << 20),
        Reading(read.pool, read.folder / "1")(files.text(), "c.txt"),
    )
    assert hungry is Reason.OUT_OF_MEMORY
    assert modest.chunks


async def test_the_nursery_is_started_again_when_it_was_killed(read: Reading) -> None:
    await read(files.text(), "a.txt")
    nursery = read.pool._nursery
    assert nursery is not None
    nursery._process.kill()
    await nursery._process.wait()
    await asyncio.gather(*filter(None, [nursery._listening]))
    assert (await read(files.text(), "b.txt")).chunks


async def test_the_documents_for_measuring_are_read_or_refused_for_a_reason(read: Reading) -> None:
    if not DOCUMENTS.is_dir():
        pytest.skip("the documents for measuring are not here")
    refused = {}
    for path in sorted(DOCUMENTS.iterdir()):
        try:
            parsed = await read(path.read_bytes(), path.name)
            assert parsed.chunks, path.name
        except CannotIngest as error:
            refused[path.name] = error.reason
    assert refused == CANNOT
