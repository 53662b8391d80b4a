"""Where outgoing calls may go."""

import pytest

from functions.kit.egress import EgressDenied, EgressPolicy, is_public


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://europe-west4-aiplatform.googleapis.com/v1", "vertex"),
        ("http://127.0.0.1:8090/openai/v1", "openai"),
        ("https://llm.corp.example:8443/v1", "anthropic"),
    ],
)
def test_allowed(url: str, kind: str) -> None:
    EgressPolicy.of("127.0.0.1:8090, llm.corp.example:8443").check_url(url, kind)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://api.openai.com.evil.example/v1", "openai"),
        ("https://api.openai.com@evil.example/v1", "openai"),
        ("https://evil.example/api.openai.com", "openai"),
        ("https://api.openai.com:8443/v1", "openai"),
        ("http://api.openai.com/v1", "openai"),
        ("https://api.groq.com/openai/v1", "openai"),
        ("http://127.0.0.1:8091/v1", "openai"),
        ("http://2130706433:8090/v1", "openai"),
        ("http://[::ffff:127.0.0.1]:8090/v1", "openai"),
        ("http://169.254.169.254/latest/meta-data", "openai"),
        ("file:///etc/passwd", "openai"),
        ("gopher://127.0.0.1:8090/", "openai"),
        ("https://api.openai.com/v1?x=1", "openai"),
        ("https://api.openai.com/v1#x", "openai"),
        ("https://api.openai.com/\nv1", "openai"),
        ("https://[::1", "openai"),
        ("https://api.openai.com:99999/", "openai"),
        ("", "openai"),
        ("not a url", "openai"),
        ("https://api.openai.com/v1", "unknown"),
    ],
)
def test_refused(url: str, kind: str) -> None:
    with pytest.raises(EgressDenied):
        EgressPolicy.of("127.0.0.1:8090").check_url(url, kind)


def test_an_allow_list_entry_must_be_a_pair() -> None:
    with pytest.raises(ValueError, match="host:port"):
        EgressPolicy.of("just-a-host")


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "ff02::1",
        "::127.0.0.1", "::ffff:0:10.0.0.1", "fec0::1", "5f00::1", "4000::1",
    ],
)  # fmt: skip
def test_not_public(address: str) -> None:
    assert not is_public(address)


async def test_a_name_that_resolves_inside_is_not_called_unless_vouched_for() -> None:
    policy = EgressPolicy.of("localhost:8090")
    resolver = policy.resolver()
    assert await resolver.resolve("localhost", 8090)
    with pytest.raises(OSError, match="no public address"):
        await resolver.resolve("localhost", 8091)


@pytest.mark.parametrize(
    "url",
    [
        "http://169。254。169。254/latest/meta-data",
        "http://127\uff0e0\uff0e0\uff0e1/",
        "http://①②⑦。⓪。⓪。①/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
        "http://metadata。google。internal/",
        "http://[::169.254.169.254]/",
        "http://[fec0::1]/",
        "http://\u200b/",
    ],
)
def test_other_scripts_and_old_forms_name_nothing_private(url: str) -> None:
    with pytest.raises(EgressDenied):
        EgressPolicy().check_public(url)


def test_names_of_all_scripts_may_be_public() -> None:
    EgressPolicy().check_public("https://bücher.example/katalog")
