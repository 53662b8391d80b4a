"""Webhooks over HTTP to addresses that tenants choose: public ones alone, resolved once, never redirected."""

import asyncio
import ipaddress
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

import aiohttp

from functions.kit.egress import EgressPolicy, is_public
from functions.platform.core.flags_errors import WebhookAddressRefused, WebhookUndelivered

_SECONDS = 5.0
_LONGEST_URL = 2048


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
        parts = _parts(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = parts.hostname or ""
        if self._policy.vouches_for(host, port):
            return
        if parts.scheme != "https" or port != 443:
            raise WebhookAddressRefused("the address must be https on port 443")
        if _is_private_literal(host) or _is_local_name(host):
            raise WebhookAddressRefused("the address is not a public one")

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


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise WebhookAddressRefused("the address is not a URL") from error
    odd = any(ord(character) <= 0x20 or ord(character) == 0x7F for character in url)
    if odd or len(url) > _LONGEST_URL or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise WebhookAddressRefused("the address is not a URL")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise WebhookAddressRefused("the address must have no credentials and no fragment")
    return parts


def _is_local_name(host: str) -> bool:
    """Whether a name never means anything public (RFC 6761, 6762, 9476). Other names are judged by their address."""
    return host.rstrip(".").lower().rpartition(".")[2] in {"localhost", "local", "internal", "alt", "test", "invalid"}


def _is_private_literal(host: str) -> bool:
    """Whether the host is an IP address and not a public one: those pass by the resolver."""
    try:
        ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        # 127.1, 0x7f000001 and 2130706433 are addresses to a resolver, and none to the library.
        return host.replace(".", "").isdigit() or host.lower().startswith("0x")
    return not is_public(host)
