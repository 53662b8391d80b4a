"""The parts of a message's content: text, images, sound and files."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from functions.gateway.core.models import Json
from functions.gateway.core.translation.refusals import refuse

Kind = Literal["image", "audio", "file"]

_DATA_URL_HEAD = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w.+-]+=[^;,]*)*;base64")
# Tuples, not sets: what a request says need not be hashable.
_KINDS = ("text", "refusal", "image_url", "input_audio", "file")
_AUDIO_TYPES = {"wav": "audio/wav", "mp3": "audio/mp3"}


@dataclass(frozen=True, slots=True)
class Text:
    """Words.

    Attributes:
        cache_control: Anthropic's mark that the prompt is to be cached up to here.
    """

    text: str
    place: str
    cache_control: Json | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """Something that is not words: either its bytes in base64 or where they are.

    Attributes:
        place: where in the request it stands, for refusals.
    """

    kind: Kind
    place: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    name: str | None = None
    cache_control: Json | None = None


Part = Text | Media


def read_parts(content: Any, place: str) -> tuple[Part, ...]:
    """The parts of a `content`; a string is one text.

    Raises:
        ProviderRejected: a part is not one of OpenAI's, or cannot be read.
    """
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content, place),)
    if not isinstance(content, list):
        raise refuse(place, "must be a string or a list of parts")
    return tuple(_part(part, f"{place}[{index}]") for index, part in enumerate(content))


def texts_only(parts: Sequence[Part], who: str) -> tuple[Text, ...]:
    """The parts, all of which must be text."""
    for part in parts:
        if isinstance(part, Media):
            raise refuse(part.place, f"{who} can only be text")
    return tuple(part for part in parts if isinstance(part, Text))


def known_only(table: Json, names: set[str], place: str) -> None:
    """Refuse a field that nobody here understands."""
    for name, value in table.items():
        if name not in names and value is not None:
            raise refuse(f"{place}.{name}", "is not offered for this provider")


def _part(part: Any, place: str) -> Part:
    if not isinstance(part, dict):
        raise refuse(place, "must be an object")
    kind = part.get("type")
    if kind not in _KINDS:
        raise refuse(f"{place}.type", f"{kind!r} is not offered for this provider")
    known_only(part, {"type", "cache_control", "prompt_cache_breakpoint", kind}, place)
    mark = part.get("cache_control")
    content = part.get(kind)
    if kind in ("text", "refusal"):
        if not isinstance(content, str):
            raise refuse(f"{place}.{kind}", "must be a string")
        return Text(content, place, mark)
    if not isinstance(content, dict):
        raise refuse(f"{place}.{kind}", "must be an object")
    inner = f"{place}.{kind}"
    if kind == "image_url":
        return _image(content, inner, mark)
    return _audio(content, inner, mark) if kind == "input_audio" else _file(content, inner, mark)


def _image(image: Json, place: str, mark: Json | None) -> Media:
    known_only(image, {"url", "detail"}, place)
    if image.get("detail") not in (None, "auto", "high", "original"):
        raise refuse(f"{place}.detail", "this provider always looks at the whole image: auto, high or original")
    url = image.get("url")
    if not isinstance(url, str) or not url:
        raise refuse(f"{place}.url", "must be a URL")
    if url.startswith("data:"):
        media_type, data = _data_url(url, f"{place}.url")
        return Media("image", place, media_type, data=data, cache_control=mark)
    if not url.startswith(("https://", "gs://")):
        raise refuse(f"{place}.url", "must be an https or data URL")
    return Media("image", place, url=url, cache_control=mark)


def _audio(audio: Json, place: str, mark: Json | None) -> Media:
    known_only(audio, {"data", "format"}, place)
    media_type = _AUDIO_TYPES.get(str(audio.get("format")))
    if media_type is None:
        raise refuse(f"{place}.format", "must be wav or mp3")
    if not isinstance(audio.get("data"), str):
        raise refuse(f"{place}.data", "must be base64")
    return Media("audio", place, media_type, data=audio["data"], cache_control=mark)


def _file(file: Json, place: str, mark: Json | None) -> Media:
    if file.get("file_id") is not None:
        raise refuse(f"{place}.file_id", "files uploaded to OpenAI are not known to this provider; send file_data")
    known_only(file, {"file_data", "filename"}, place)
    data = file.get("file_data")
    if not isinstance(data, str):
        raise refuse(f"{place}.file_data", "must be a data URL")
    media_type, content = _data_url(data, f"{place}.file_data")
    return Media("file", place, media_type, data=content, name=file.get("filename"), cache_control=mark)


def _data_url(url: str, place: str) -> tuple[str, str]:
    head, comma, data = url.partition(",")
    match = _DATA_URL_HEAD.fullmatch(head)
    if match is None or not comma:
        raise refuse(place, "must be a data URL with base64: data:image/png;base64,…")
    return match.group(1), data
