"""Excel 97 workbooks, read row by row."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from functions.knowledge.adapters.parsing.formats.csv_rows import write_table
from functions.knowledge.adapters.parsing.reading import Source
from functions.knowledge.core.blocks import BlockWriter, Outline
from functions.knowledge.core.reasons import CannotIngest, Reason


def preload() -> None:
    """Import what it needs."""
    import xlrd  # noqa: F401


def read(source: Source, out: BlockWriter) -> Outline:
    """A heading and a table a sheet; cells show what their formulas last gave."""
    import xlrd

    # What it notices on the way it would print.
    with (source.folder / "noticed").open("w") as noticed:
        try:
            book = xlrd.open_workbook(str(source.path), logfile=noticed, on_demand=True, ragged_rows=True)
        except xlrd.XLRDError as error:
            encrypted = "encrypted" in str(error)
            reason, said = (Reason.ENCRYPTED, "its content is encrypted") if encrypted else (Reason.CORRUPT, str(error))
            raise CannotIngest(reason, said[:300]) from error
        with book:
            for number in range(book.nsheets):
                sheet = book.sheet_by_index(number)
                if sheet.nrows:
                    out.add("heading", sheet.name, level=1, page=number + 1)
                    write_table(_rows(sheet, book.datemode), out, page=number + 1)
                book.unload_sheet(number)
            return Outline(source.format.value, pages=book.nsheets)


def _rows(sheet: Any, datemode: int) -> Iterator[list[object]]:
    for number in range(sheet.nrows):
        yield [_value(cell, datemode) for cell in sheet.row(number)]


def _value(cell: Any, datemode: int) -> object:
    """A cell's value as its sheet shows it: numbers are all floating there, and times are numbers."""
    import xlrd

    if cell.ctype == xlrd.XL_CELL_DATE:
        return _time(cell.value, datemode)
    if cell.ctype == xlrd.XL_CELL_NUMBER and cell.value.is_integer():
        return int(cell.value)
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return bool(cell.value)
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return xlrd.error_text_from_code.get(cell.value, "")
    return cell.value


def _time(value: float, datemode: int) -> date | datetime | float:
    import xlrd

    try:
        when: datetime = xlrd.xldate_as_datetime(value, datemode)
    except (xlrd.xldate.XLDateError, OverflowError, ValueError):
        return value
    return when.date() if value.is_integer() else when
