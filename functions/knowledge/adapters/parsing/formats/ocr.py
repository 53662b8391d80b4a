"""OCR by Tesseract, where the extra `knowledge-ocr` and the program `tesseract` are installed."""

import importlib.util
import math
import shutil
from functools import lru_cache
from itertools import groupby
from typing import Any

# Of 100; what Tesseract is less sure of is more often an ornament than a word.
_LEAST_CONFIDENCE = 60
_MOST_PIXELS = 40_000_000
_WORD = 5


class OcrDoesNotStart(Exception):
    """Tesseract is installed and cannot be started now, on a machine without memory or processes left, say."""


@lru_cache(maxsize=1)
def is_installed() -> bool:
    """Whether there is OCR; nothing is started for it, so that a busy machine does not answer otherwise."""
    return importlib.util.find_spec("pytesseract") is not None and shutil.which("tesseract") is not None


@lru_cache(maxsize=1)
def languages() -> str:
    """All languages that are installed, as Tesseract names them; empty where there is no OCR.

    Raises:
        OcrDoesNotStart: it is not known, since the program does not say.
    """
    if not is_installed():
        return ""
    import pytesseract

    try:
        return "+".join(each for each in pytesseract.get_languages() if each != "osd")
    except (pytesseract.TesseractNotFoundError, pytesseract.TesseractError) as error:
        raise OcrDoesNotStart(f"tesseract does not tell its languages: {error}") from error


def scale_within(width: float, height: float, wanted: float) -> float:
    """The scale at which something of this size is drawn for OCR: the one wanted, unless that is too many pixels."""
    return min(wanted, math.sqrt(_MOST_PIXELS / max(width * height, 1)))


def paragraphs(picture: Any) -> list[str]:
    """What is written on a picture (PIL), as far as Tesseract is sure of it; nothing where there is no OCR."""
    if not languages():
        return []
    import pytesseract

    try:
        told = pytesseract.image_to_data(picture, lang=languages(), output_type=pytesseract.Output.DICT)
    except pytesseract.TesseractError as error:
        if error.status < 0:
            # It was killed: by a limit that it has from us.
            raise MemoryError(str(error)) from error
        # It refuses pictures of a few pixels.
        return []
    columns = ("level", "block_num", "par_num", "line_num", "conf", "text")
    words = [
        (block, paragraph, line, text.strip())
        for level, block, paragraph, line, confidence, text in zip(*(told[name] for name in columns), strict=True)
        if level == _WORD and float(confidence) >= _LEAST_CONFIDENCE and text.strip()
    ]
    return [
        "\n".join(" ".join(word[3] for word in line) for _, line in groupby(part, key=lambda word: word[2]))
        for _, part in groupby(words, key=lambda word: word[:2])
    ]
