"""Pictures: made small enough for a model that says what is on them; what is written there is read, where OCR is."""

import warnings
from typing import Any

from functions.knowledge.adapters.parsing.formats import ocr
from functions.knowledge.adapters.parsing.reading import Source
from functions.knowledge.core.blocks import BlockWriter, Outline
from functions.knowledge.core.reasons import CannotIngest, Reason

_EDGE = 1568
_MOST_PIXELS = 80_000_000


def preload() -> None:
    """Import what it needs."""
    import PIL.Image

    PIL.Image.init()


def read(source: Source, out: BlockWriter) -> Outline:
    """Leave `picture.jpg` in the folder; write what OCR reads."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(source.path) as picture:
                width, height = picture.size
                if width * height > _MOST_PIXELS:
                    raise CannotIngest(Reason.TOO_LARGE, f"the picture has {width} by {height} pixels")
                for paragraph in _written(picture):
                    out.add("text", paragraph)
                picture.thumbnail((_EDGE, _EDGE))
                picture.convert("RGB").save(source.folder / "picture.jpg", quality=85)
                kind = Image.MIME.get(picture.format or "", "image/jpeg")
    except Image.DecompressionBombError as error:
        raise CannotIngest(Reason.TOO_LARGE, str(error)) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise CannotIngest(Reason.CORRUPT, f"the picture cannot be read: {error}"[:300]) from error
    return Outline(kind, is_picture=True, notes={"width": width, "height": height})


def _written(picture: Any) -> list[str]:
    if not ocr.languages():
        return []
    scale = ocr.scale_within(picture.width, picture.height, 1.0)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return ocr.paragraphs(picture.convert("RGB").resize(size) if scale < 1 else picture.convert("RGB"))
