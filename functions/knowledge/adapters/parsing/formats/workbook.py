"""Excel workbooks, read row by row."""

import itertools
import warnings

from functions.knowledge.adapters.parsing.formats.csv_rows import write_table
from functions.knowledge.adapters.parsing.reading import Source
from functions.knowledge.core.blocks import BlockWriter, Outline


def preload() -> None:
    """Import what it needs."""
    import openpyxl  # noqa: F401


def read(source: Source, out: BlockWriter) -> Outline:
    """A heading and a table a sheet; cells show what their formulas last gave."""
    import openpyxl

    with warnings.catch_warnings(), source.path.open("rb") as file:
        # It warns of what it does not show: pictures, validations.
        warnings.simplefilter("ignore")
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        try:
            for number, sheet in enumerate(book.worksheets, 1):
                rows = sheet.iter_rows(values_only=True)
                first = next((row for row in rows if any(cell is not None for cell in row)), None)
                if first is None:
                    continue
                out.add("heading", str(sheet.title), level=1, page=number)
                write_table(itertools.chain([first], rows), out, page=number)
        finally:
            book.close()
    return Outline(source.format.value, pages=len(book.sheetnames))
