"""Which addresses are called, and what proves that it was us."""

import aiohttp
import pytest
from flagsmith.webhooks import verify_signature

from functions.kit.egress import EgressPolicy
from functions.platform.adapters.flags_webhook_http import HttpWebhookSender
from functions.platform.core.flags_errors import WebhookAddressRefused
from functions.platform.core.flags_webhooks import sign


def test_the_official_client_accepts_our_signature() -> None:
    assert verify_signature(b'{"a": "\xc3\xa9"}', sign(b'{"a": "\xc3\xa9"}', "secret"), "secret")
    assert not verify_signature(b"{}", sign(b"{} ", "secret"), "secret")


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://hooks.example.com/flags?key=1", True),
        ("https://8.8.8.8/x", True),
        ("http://127.0.0.1:9999/hook", True),
        ("http://hooks.example.com/", False),
        ("https://hooks.example.com:8443/", False),
        ("https://127.0.0.1/", False),
        ("https://10.0.0.1/", False),
        ("https://169.254.169.254/latest/meta-data/", False),
        ("https://[::1]/", False),
        ("https://[::ffff:10.0.0.1]/", False),
        ("https://[64:ff9b::a00:1]/", False),
        ("https://2130706433/", False),
        ("https://127.1/", False),
        ("https://0x7f000001/", False),
        ("http://127.0.0.1:9998/", False),
        ("https://user:pw@hooks.example.com/", False),
        ("https://hooks.example.com/#x", False),
        ("https://hooks.example.com/a b", False),
        ("https://hooks.example.com/\n", False),
        ("ftp://hooks.example.com/", False),
        ("file:///etc/passwd", False),
        ("https://", False),
        ("https://[::1", False),
        ("https://hooks.example.com:99999/", False),
        ("https://hooks.example.com/" + "a" * 3000, False),
    ],
)
async def test_addresses(url: str, allowed: bool) -> None:
    async with aiohttp.ClientSession() as session:
        sender = HttpWebhookSender(session, EgressPolicy.of("127.0.0.1:9999"))
        if allowed:
            sender.check(url)
        else:
            with pytest.raises(WebhookAddressRefused):
                sender.check(url)
