"""Pictures: made small enough to be shown to a model, which then says what is on them."""

import warnings

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
    """Leave `picture.jpg` in the folder."""
    del out
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(source.path) as picture:
                width, height = picture.size
                if width * height > _MOST_PIXELS:
                    raise CannotIngest(Reason.TOO_LARGE, f"the picture has {width} by {height} pixels")
                picture.thumbnail((_EDGE, _EDGE))
                picture.convert("RGB").save(source.folder / "picture.jpg", quality=85)
                kind = Image.MIME.get(picture.format or "", "image/jpeg")
    except Image.DecompressionBombError as error:
        raise CannotIngest(Reason.TOO_LARGE, str(error)) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise CannotIngest(Reason.CORRUPT, f"the picture cannot be read: {error}"[:300]) from error
    return Outline(kind, is_picture=True, notes={"width": width, "height": height})
