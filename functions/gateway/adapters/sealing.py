"""Seals what was said in a call under the tenant's data key, without anybody waiting for a database."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from prometheus_client import Counter

from functions.gateway.core.booking import Booking
from functions.gateway.core.content import content_of
from functions.gateway.core.models import Json
from functions.kit.errors import DcoderError
from functions.kit.secrets import DataKey, DataKeys, Place, seal_under

LOST = Counter("dcoder_llm_content_lost_total", "Calls whose content could not be kept for the guardrails.", ["why"])
_FRESH_SECONDS = 60.0
_MOST_TENANTS = 10_000
# For a tenant's first call in this process; the key is asked for when the call begins.
_PATIENCE_SECONDS = 0.25
_logger = logging.getLogger(__name__)


class ContentSealer:
    """Port `Contents`.

    Args:
        spawn: runs work in the background, owned by the process.
    """

    def __init__(self, keys: DataKeys, spawn: Callable[[Coroutine[Any, Any, None], str], None]) -> None:
        self._keys = keys
        self._spawn = spawn
        self._known: dict[str, tuple[float, DataKey]] = {}
        self._asked: dict[str, asyncio.Event] = {}

    def expect(self, booking: Booking) -> None:
        """A call has begun whose content may have to be sealed when it ends."""
        caller = booking.caller
        if not caller.examined:
            return
        known = self._known.get(caller.tenant_id)
        if (known is None or known[0] < time.monotonic()) and caller.tenant_id not in self._asked:
            self._asked[caller.tenant_id] = asyncio.Event()
            self._spawn(self._ask(caller.tenant_id), "data-key")

    def is_expected(self, booking: Booking) -> bool:
        """Whether the tenant's key is asked for, and none is known yet."""
        caller = booking.caller
        return caller.tenant_id in self._asked and caller.tenant_id not in self._known

    async def expected(self, booking: Booking) -> None:
        """Wait for the tenant's key, for a moment."""
        if (asked := self._asked.get(booking.caller.tenant_id)) is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await asked.wait()

    def sealed(self, booking: Booking, body: Json, completion: Json | None) -> bytes:
        """Ciphertext of the call's content; empty where the tenant has nothing examined, or no key can be had."""
        caller = booking.caller
        if not caller.examined or booking.internal:
            return b""
        known = self._known.get(caller.tenant_id)
        if known is None:
            LOST.labels("key").inc()
            return b""
        try:
            content = content_of(body, completion)
        except Exception as error:  # noqa: BLE001 - what cannot be examined is answered and counted all the same
            # Not its message: that may quote the prompt.
            _logger.warning("a call's content cannot be read", extra={"reason": type(error).__name__})
            LOST.labels("form").inc()
            return b""
        return seal_under(known[1], Place(caller.tenant_id, "llm.completed", booking.usage_id, "content"), content)

    async def _ask(self, tenant_id: str) -> None:
        try:
            key = await self._keys.active(tenant_id)
            if len(self._known) >= _MOST_TENANTS:
                self._known.clear()
            self._known[tenant_id] = (time.monotonic() + _FRESH_SECONDS, key)
        except DcoderError as error:
            # One known from before goes on: older keys stay good for opening.
            _logger.info("a tenant's data key cannot be had", extra={"tenant": tenant_id, "reason": error.code})
        finally:
            self._asked.pop(tenant_id).set()
