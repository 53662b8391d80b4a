"""Reads no more of an answer than somebody has room for, whatever its headers say."""

import aiohttp


async def read_at_most(response: aiohttp.ClientResponse, most_bytes: int) -> tuple[bytes, bool]:
    """The beginning of an answer's body, and whether that is all of it.

    Raises:
        aiohttp.ClientError: it breaks off.
    """
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > most_bytes:
            return bytes(body[:most_bytes]), False
    return bytes(body), True
