"""Which origins are ours, and where a browser may be sent."""

import pytest

from functions.kit.origins import Origins, is_loopback, origin_of

OURS = Origins.of("https://api.example.com", "https://console.example.com, http://localhost:*")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://api.example.com", True),
        ("https://console.example.com", True),
        ("http://localhost", True),
        ("http://localhost:3000", True),
        ("https://api.example.com:8443", False),
        ("http://api.example.com", False),
        ("https://api.example.com.evil.example", False),
        ("https://apiXexample.com", False),
        ("http://localhost:3000/", False),
        ("http://localhost:x", False),
        ("null", False),
        ("", False),
        ("*", False),
    ],
)
def test_allows(origin: str, *, allowed: bool) -> None:
    assert OURS.allows(origin) is allowed


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("/", True),
        ("/a/b?c=d#e", True),
        ("/a@b", True),
        ("https://console.example.com/x?y=1", True),
        ("HTTPS://CONSOLE.example.com/", True),
        ("http://localhost:5173", True),
        ("//evil.example", False),
        ("/\\evil.example", False),
        ("///evil.example", False),
        ("/\t/evil.example", False),
        ("a", False),
        ("https://console.example.com@evil.example/", False),
        ("https:evil.example", False),
        ("https:///evil.example", False),
        ("https://console.example.com\\.evil.example/", False),
        ("javascript://console.example.com/%0aalert(1)", False),
        ("http://[::1", False),
        ("https://console.example.com:99999/", False),
        ("/" + "a" * 2048, False),
    ],
)
def test_allows_return(target: str, *, allowed: bool) -> None:
    assert OURS.allows_return(target) is allowed


def test_nothing_configured_allows_paths_alone() -> None:
    nothing = Origins.of("", "")
    assert not nothing.allows("")
    assert not nothing.allows("https://api.example.com")
    assert nothing.allows_return("/x")


def test_default_ports_are_left_out() -> None:
    assert origin_of("https://a.example:443/x") == "https://a.example"
    assert origin_of("http://a.example:80") == "http://a.example"
    assert origin_of("http://[::1]:8000/") == "http://[::1]:8000"


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://localhost:1", True), ("http://127.0.0.9", True), ("http://[::1]", True), ("http://localhost.x", False)],
)
def test_loopback(url: str, *, expected: bool) -> None:
    assert is_loopback(url) is expected
