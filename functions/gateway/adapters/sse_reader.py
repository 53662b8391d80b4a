"""Reads server-sent events from pieces of any size, frames torn anywhere (WHATWG HTML §9.2)."""

import re
from collections.abc import AsyncIterator

from functions.gateway.core.errors import ProviderBadResponse

_LARGEST_FRAME = 16 * 1024 * 1024
# An empty line: one end of a line behind another, each of any of the three kinds.
_BOUNDARY = re.compile(rb"\r\n(?:\r\n?|\n)|\n(?:\r\n?|\n)|\r\r\n?")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE = re.compile(rb"\r\n|\n|\r")


async def read_events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data of each event, in order; comments and events without data are passed over.

    Raises:
        ProviderBadResponse: one event is larger than 16 MiB.
    """
    pending = bytearray()
    async for piece in pieces:
        # A boundary may be torn over two pieces: look again at the last three bytes.
        searched = max(0, len(pending) - 3)
        pending += piece
        begin = 0
        while match := _BOUNDARY.search(pending, searched):
            data = _data(bytes(pending[begin : match.start()]))
            if data:
                yield data
            begin = searched = match.end()
        del pending[:begin]
        if len(pending) > _LARGEST_FRAME:
            raise ProviderBadResponse("the provider sent an event larger than 16 MiB")
    data = _data(bytes(pending))
    if data:
        yield data


def _data(frame: bytes) -> bytes:
    # Nearly every frame is a single data line.
    if frame.startswith(b"data: ") and b"\n" not in frame and b"\r" not in frame:
        return frame[6:]
    lines = _LINE.split(frame.removeprefix(_BYTE_ORDER_MARK))
    lines = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
    return b"\n".join(lines)
