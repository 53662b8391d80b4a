"""Webhooks over HTTP to addresses that tenants choose: public ones alone, resolved once, never redirected."""

import asyncio
from collections.abc import Mapping

import aiohttp

from functions.kit.egress import EgressDenied, EgressPolicy
from functions.platform.core.flags_errors import WebhookAddressRefused, WebhookUndelivered

_SECONDS = 5.0


class HttpWebhookSender:
    """Port `WebhookSender`.

    Args:
        session: made with the policy's resolver, so that the address that was checked is the one connected to.
    """

    def __init__(self, session: aiohttp.ClientSession, policy: EgressPolicy) -> None:
        self._session = session
        self._policy = policy

    def check(self, url: str) -> None:
        """Let HTTPS to the outside through, and whatever the operator vouches for."""
        try:
            self._policy.check_https(url)
        except EgressDenied as error:
            raise WebhookAddressRefused(error.message) from error

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """POST once; the answer's body is not read."""
        self.check(url)
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with (
                asyncio.timeout(_SECONDS),
                self._session.post(
                    url, data=body, headers=dict(headers), timeout=timeout, allow_redirects=False
                ) as response,
            ):
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise WebhookUndelivered(f"the receiver cannot be reached: {type(error).__name__}") from error
        if not 200 <= status < 300:
            raise WebhookUndelivered(f"the receiver answered {status}", details={"status": status})
