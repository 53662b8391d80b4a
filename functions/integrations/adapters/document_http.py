"""OpenAPI documents at addresses: fetched without a credential, nothing followed, no more than a registration takes."""

import asyncio
from typing import NoReturn

import aiohttp
import orjson
import yarl

from functions.integrations.core.errors import DocumentAway, DocumentRefused
from functions.integrations.core.models import Json
from functions.integrations.core.ports import Egress
from functions.kit.bounded import read_at_most
from functions.kit.storable import holds_zero

# Of a megabyte or two; other tenants' documents wait for it.
_SECONDS = 10.0
# As much as the body of a registration with a document may be.
_LARGEST = 2 * 1024 * 1024
_PASSING = frozenset({408, 425, 429})


class HttpDocuments:
    """Port `Documents`.

    Args:
        session: made with the egress policy's resolver, so that the address that was checked is the one connected to.
    """

    def __init__(self, session: aiohttp.ClientSession, egress: Egress) -> None:
        self._session = session
        self._egress = egress

    async def read(self, url: str) -> Json:
        """The document."""
        self._egress.check(url)
        try:
            async with (
                asyncio.timeout(_SECONDS),
                self._session.get(
                    yarl.URL(url, encoded=True), headers={"accept": "application/json"}, allow_redirects=False
                ) as response,
            ):
                if response.status != 200:
                    _refuse(response.status)
                body, is_whole = await read_at_most(response, _LARGEST)
                if not is_whole:
                    raise DocumentRefused(f"the document has more than {_LARGEST} bytes")
                return _document(body)
        except TimeoutError as error:
            raise DocumentAway(f"the address did not answer within {_SECONDS:.0f} s") from error
        except aiohttp.ClientConnectorDNSError as error:
            # Unknown, or of an address that is not public: which of them is nobody's business.
            raise DocumentAway("the address's name leads to no public place") from error
        except (aiohttp.ClientError, OSError) as error:
            raise DocumentAway(f"the address cannot be reached: {type(error).__name__}") from error


def _refuse(status: int) -> NoReturn:
    if status >= 500 or status in _PASSING:
        raise DocumentAway(f"the address answered {status}")
    if 300 <= status < 400:
        raise DocumentRefused(f"the address answered {status}: redirects are not followed")
    raise DocumentRefused(f"the address answered {status}")


def _document(body: bytes) -> Json:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise DocumentRefused("the document is no JSON") from error
    # Postgres cannot store the character.
    if not isinstance(document, dict) or holds_zero(body):
        raise DocumentRefused("the document is no JSON object, or has characters that cannot be stored")
    return document
