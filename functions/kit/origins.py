"""Which web origins are the platform's own: what may send a signed-in browser's calls, and where one may be sent to."""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_LONGEST = 2048
# Addresses as they are sent, without what browsers read as something else than it looks: backslash, control, `user@`.
_PLAIN = re.compile(r"[\x21-\x3f\x41-\x5b\x5d-\x7e]*")
_RELATIVE = re.compile(r"/(?!/)[\x21-\x5b\x5d-\x7e]*")


class Origins:
    """An allow-list of origins.

    Args:
        public_url: where browsers reach the edge; its origin is allowed.
        others: `https://host[:port]`, port `*` for any.
    """

    def __init__(self, public_url: str, others: Iterable[str] = ()) -> None:
        own = origin_of(public_url)
        allowed = [entry.strip() for entry in others if entry.strip()] + ([own] if own else [])
        alternatives = "|".join(re.escape(origin).replace(r":\*", r"(:\d+)?") for origin in allowed)
        self._pattern = re.compile(alternatives or r"(?!)")
        self.own = own

    @classmethod
    def of(cls, public_url: str, setting: str) -> "Origins":
        """From the settings: the list is comma separated."""
        return cls(public_url, setting.split(","))

    def allows(self, origin: str) -> bool:
        """Whether this value of the header `Origin` is one of them."""
        return self._pattern.fullmatch(origin) is not None

    def allows_return(self, target: str) -> bool:
        """Whether a browser may be sent there: a path of the edge, or an address of an allowed origin."""
        if len(target) > _LONGEST:
            return False
        if _RELATIVE.fullmatch(target):
            return True
        return _PLAIN.fullmatch(target) is not None and self.allows(origin_of(target))


def origin_of(url: str) -> str:
    """Scheme, host and port of an address as browsers write an origin; empty when it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return ""
    default = 443 if parts.scheme == "https" else 80
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if port in {None, default} else f":{port}")


def is_loopback(url: str) -> bool:
    """Whether an address is on this very machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
