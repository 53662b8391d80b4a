"""Comma-separated values in any encoding and with any usual delimiter, read row by row."""

import csv
from collections.abc import Iterator, Sequence

from functions.knowledge.adapters.parsing.formats.plain_text import encoding_of
from functions.knowledge.adapters.parsing.reading import Source
from functions.knowledge.core.blocks import BlockWriter, Outline

_ROWS = 20
_CELL = 32_000


def preload() -> None:
    """Nothing is needed that plain text does not."""


def read(source: Source, out: BlockWriter) -> Outline:
    """Some rows a block, a line each; the first row names the columns."""
    csv.field_size_limit(1 << 22)
    encoding = encoding_of(source.path)
    with source.path.open(encoding=encoding, errors="replace", newline="") as file:
        sample = file.read(8192)
        file.seek(0)
        write_table(csv.reader((line.replace("\x00", "") for line in file), _dialect(sample, source.name)), out)
    return Outline(source.format.value, notes={"encoding": encoding})


def _dialect(sample: str, name: str) -> type[csv.Dialect]:
    if name.lower().endswith(".tsv"):
        return csv.excel_tab
    try:
        return csv.Sniffer().sniff(sample, delimiters=",;\t|")
    except csv.Error:
        return csv.excel


def write_table(rows: Iterator[Sequence[object]], out: BlockWriter, *, page: int | None = None) -> None:
    """Write rows as blocks of a table: cells with a bar between them."""
    columns, held, gap = "", list[str](), "\n\n"
    for row in rows:
        line = " | ".join(_cell(value) for value in row).strip()
        if not line.strip("| "):
            continue
        columns = columns or line[:500]
        held.append(line)
        if len(held) >= _ROWS:
            out.add("table", "\n".join(held), gap=gap, columns=columns, page=page)
            held, gap = [], "\n"
    out.add("table", "\n".join(held), gap=gap, columns=columns, page=page)


def _cell(value: object) -> str:
    return "" if value is None else " ".join(str(value)[:_CELL].split())
