"""Where outgoing calls may go: an allow-list of hosts, and no address inside our own network.

Guards against server-side request forgery (OWASP SSRF Prevention Cheat Sheet): the address that was resolved
is the one that is checked and connected to, so a second answer of the name server cannot slip past.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import yarl
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from functions.kit.errors import InvalidRequest

PROVIDER_HOSTS: dict[str, tuple[str, ...]] = {
    "openai": (r"api\.openai\.com", r"[a-z]{2}\.api\.openai\.com"),
    "anthropic": (r"api\.anthropic\.com",),
    "google": (r"generativelanguage\.googleapis\.com",),
    "vertex": (
        r"aiplatform\.googleapis\.com",
        r"[a-z0-9-]{1,40}-aiplatform\.googleapis\.com",
        r"oauth2\.googleapis\.com",
    ),
    "groq": (r"api\.groq\.com",),
}
# Where a kind is called when a tenant names no address of its own.
PROVIDER_URLS: dict[str, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "google": "https://generativelanguage.googleapis.com/v1beta",
    "vertex": "https://aiplatform.googleapis.com/v1",
    "groq": "https://api.groq.com/openai/v1",
}
# Names that never mean anything public (RFC 6761, 6762, 9476); what others mean, the resolver judges.
_LOCAL_NAMES = frozenset({"localhost", "local", "internal", "alt", "test", "invalid"})
_LONGEST_URL = 2048
_MOST_ALLOWED = 10_000
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
# All that is given out for use between networks (IANA, IPv6 address space); the rest is old, local or not yet used.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")


class EgressDenied(InvalidRequest):
    """The address is not one the platform calls."""

    code = "egress_denied"


class EgressPolicy:
    """What may be called.

    Args:
        allow: `host:port` pairs that the operator allows besides the providers' own hosts. They may be inside
            our network and may speak plain HTTP: the operator vouches for them.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._allowed: set[tuple[str, str]] = set()
        self._vouched = frozenset(_pair(entry) for entry in allow if entry.strip())

    @classmethod
    def of(cls, setting: str) -> "EgressPolicy":
        """The policy of a comma-separated setting."""
        return cls(setting.split(","))

    def check_url(self, url: str, kind: str) -> None:
        """Let an address of a provider of this kind through.

        Raises:
            EgressDenied: scheme, host or port is not allowed, or the URL carries credentials or a fragment.
        """
        # The judgement is the address's alone, and each call asks for the same few.
        if (url, kind) in self._allowed:
            return
        self._check_url(url, kind)
        if len(self._allowed) >= _MOST_ALLOWED:
            self._allowed.clear()
        self._allowed.add((url, kind))

    def _check_url(self, url: str, kind: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").rstrip(".").lower(), parts.port or _default_port(parts.scheme)
        except ValueError as error:
            raise EgressDenied("baseUrl is not a URL") from error
        if not host or parts.username or parts.password or parts.fragment or parts.query or _has_control(url):
            raise EgressDenied("baseUrl must be a plain URL without credentials, query or fragment")
        if (host, port) in self._vouched and parts.scheme in {"http", "https"}:
            return
        if parts.scheme == "https" and port == 443 and any(re.fullmatch(p, host) for p in PROVIDER_HOSTS.get(kind, ())):
            return
        raise EgressDenied(f"{host}:{port} is not an allowed address for {kind}", details={"host": host, "port": port})

    def check_https(self, url: str) -> None:
        """Let HTTPS to the public Internet through, for calls that carry a secret; a query may belong to the address.

        Raises:
            EgressDenied: scheme or port is not allowed, the URL carries credentials, or it names something private.
        """
        self._check_public(url, {"https": 443})

    def check_public(self, url: str) -> None:
        """Let HTTP and HTTPS to the public Internet through, for reading what everybody may read.

        Raises:
            EgressDenied: scheme or port is not allowed, the URL carries credentials, or it names something private.
        """
        self._check_public(url, {"http": 80, "https": 443})

    def _check_public(self, url: str, standard: Mapping[str, int]) -> None:
        """Judge an address as far as it tells by itself; what its name resolves to, `resolver` judges."""
        try:
            parts = urlsplit(url)
            host, port = _host(url).rstrip(".").lower(), parts.port or _default_port(parts.scheme)
        except ValueError as error:
            raise EgressDenied("the address is not a URL") from error
        if not host or len(url) > _LONGEST_URL or _has_control(url) or parts.scheme not in {"http", "https"}:
            raise EgressDenied("the address is not a URL")
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise EgressDenied("the address must have no credentials and no fragment")
        if (host, port) in self._vouched:
            return
        if standard.get(parts.scheme) != port:
            allowed = " or ".join(f"{scheme} on port {number}" for scheme, number in standard.items())
            raise EgressDenied(f"the address must be {allowed}")
        # A client connects to an IP address without asking a resolver.
        if host.rpartition(".")[2] in _LOCAL_NAMES or _is_private_literal(host):
            raise EgressDenied("the address is not a public one")

    def vouches_for(self, host: str, port: int) -> bool:
        """Whether the operator allowed exactly this pair, private address or not."""
        return (host.rstrip(".").lower(), port) in self._vouched

    def resolver(self) -> "GuardedResolver":
        """A resolver for aiohttp that gives only addresses that may be called."""
        return GuardedResolver(self)


class GuardedResolver(AbstractResolver):
    """Resolves names and drops addresses that are not public, unless the operator vouches for the pair."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host that may be called.

        Raises:
            OSError: there is none.
        """
        found = await self._resolver.resolve(host, port, family)
        if self._policy.vouches_for(host, port):
            return found
        public = [result for result in found if is_public(result["host"])]
        if not public:
            raise OSError(f"{host} resolves to no public address")
        return public

    async def close(self) -> None:
        """Nothing is kept open."""
        await self._resolver.close()


def is_public(address: str) -> bool:
    """Whether an IP address is on the public Internet.

    Addresses that wrap an IPv4 one (mapped, 6to4, Teredo, NAT64) are judged by what they wrap.
    """
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _LOCAL_NAT64:
            return False
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        wrapped = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if wrapped:
            return is_public(str(wrapped))
        if ip not in _GLOBAL_UNICAST:
            return False
    return ip.is_global and not ip.is_multicast


def _host(url: str) -> str:
    """The host that a client connects to.

    To one that reads names in all scripts (UTS 46), `169。254。169。254` and `①.1.1.1` are IP addresses like others.
    """
    host = urlsplit(url).hostname or ""
    return host if host.isascii() else yarl.URL(url).raw_host or ""


def _is_private_literal(host: str) -> bool:
    """Whether the host is an IP address and not a public one: those pass by the resolver."""
    try:
        return not is_public(host)
    except ValueError:
        # 127.1, 0x7f000001 and 2130706433 are addresses to a resolver, and none to the library.
        return host.replace(".", "").isdigit() or host.startswith("0x")


def _pair(entry: str) -> tuple[str, int]:
    host, separator, port = entry.strip().rpartition(":")
    if not separator or not port.isdigit():
        raise ValueError(f"DCODER_EGRESS_ALLOW: {entry.strip()!r} is not host:port")
    return host.strip("[]").rstrip(".").lower(), int(port)


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _has_control(text: str) -> bool:
    return _CONTROL.search(text) is not None
