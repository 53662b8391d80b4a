"""The edge's policy: `base.yaml` as typed, checked models."""

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

BASE = Path(__file__).with_name("base.yaml")
_UNITS = {"": 1, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}

ANONYMOUS = "anonymous"
UNVERIFIED = "unverified"
SUPERADMIN = "superadmin"


class PolicyError(ValueError):
    """The policy file is wrong; the message names the file, the field and the fault."""


def _bytes(value: Any) -> Any:
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+)(Ki|Mi|Gi)?", value)
        if match is None:
            raise ValueError("not a size such as 512Ki or 4Mi")
        return int(match[1]) * _UNITS[match[2] or ""]
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    if not (value.startswith("^") and value.endswith("$")):
        raise ValueError("must begin with ^ and end with $, or it would match a part")
    return value


def _network(value: str) -> str:
    ip_network(value)
    return value


# Values end up between quotes in two vendors' files, so whatever could end a quoted string is refused here, once.
_UNQUOTED = r"""[^"\\\x00-\x1f${}]*"""
Size = Annotated[int, BeforeValidator(_bytes), Field(gt=0)]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]
HeaderPattern = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+\*?$")]
HeaderValue = Annotated[str, Field(pattern=rf"^{_UNQUOTED}$")]
Pattern = Annotated[str, Field(pattern=r"""^[^"\s]+$"""), AfterValidator(_pattern)]
PathPattern = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~/-]*\*?$")]
Origin = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:(\d+|\*))?$")]
Network = Annotated[str, AfterValidator(_network)]
Seconds = Annotated[int, Field(ge=1, le=3600)]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RequestIds(_Model):
    """Which of a caller's request ids are kept."""

    header: HeaderName
    pattern: Pattern


class Cors(_Model):
    """What browsers on other origins may do."""

    origins: tuple[Origin, ...]
    methods: tuple[Method, ...]
    headers: tuple[HeaderName, ...]
    exposed_headers: tuple[HeaderName, ...]
    max_age_seconds: int = Field(ge=0, le=86_400)
    credentials: bool

    @property
    def origin_pattern(self) -> str:
        """One regular expression for all origins; it matches nothing when there are none."""
        alternatives = (re.escape(origin).replace(r":\*", r"(:\d+)?") for origin in self.origins)
        return f"^({'|'.join(alternatives)})$" if self.origins else "^$"


class Body(_Model):
    """Limit of request bodies, in bytes."""

    maximum: Size


class HeaderLimits(_Model):
    """Limits of the request's head: bytes of a line, and how many lines of that size."""

    line: Size
    lines: int = Field(ge=1, le=64)


class Timeouts(_Model):
    """How long the edge waits for either side, in seconds."""

    client_headers: Seconds
    client_body: Seconds
    client_idle: Seconds
    send: Seconds
    connect: Seconds


class Tls(_Model):
    """Versions of TLS that are spoken."""

    versions: tuple[Literal["1.2", "1.3"], ...] = Field(min_length=1)


class Credentials(_Model):
    """What a credential looks like, as far as that can be seen without asking the platform."""

    header: HeaderName
    key_pattern: Pattern
    cookie: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    session_pattern: Pattern
    tenant_claim: str = Field(min_length=1)
    roles_claim: str = Field(min_length=1)
    algorithms: tuple[str, ...] = Field(min_length=1)
    leeway_seconds: int = Field(ge=0, le=600)

    @property
    def session_cookie(self) -> str:
        """A regular expression for the header `Cookie` that holds a session; its group is the tenant."""
        return rf"(?:^|;\s*)(?:__Host-)?{self.cookie}={self.session_pattern[1:-1]}\s*(?:;|$)"

    @model_validator(mode="after")
    def _names_a_tenant(self) -> Self:
        if re.compile(self.session_pattern).groups != 1:
            raise ValueError("session_pattern must have one group, the tenant")
        return self

    @model_validator(mode="after")
    def _signed(self) -> Self:
        if weak := [a for a in self.algorithms if a.lower() == "none" or a.startswith("HS")]:
            raise ValueError(f"algorithms must be signatures with a public key, not {', '.join(weak)}")
        return self


class RateClass(_Model):
    """A pace: requests a minute, and how many may come at once above it."""

    per_minute: int = Field(ge=1, le=1_000_000)
    burst: int = Field(ge=0, le=100_000)

    @property
    def retry_after(self) -> int:
        """Whole seconds until the next request is welcome."""
        return max(1, -(-60 // self.per_minute))


class EdgePolicy(_Model):
    """All of `base.yaml`."""

    product: HeaderValue
    request_id: RequestIds
    cors: Cors
    security_headers: dict[HeaderName, HeaderValue]
    hsts: HeaderValue
    reserved_headers: tuple[HeaderPattern, ...]
    body: Body
    headers: HeaderLimits
    timeouts: Timeouts
    tls: Tls
    trusted_proxies: tuple[Network, ...]
    public_paths: tuple[PathPattern, ...]
    credentials: Credentials
    rate_classes: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")], RateClass]
    default_class: str

    @model_validator(mode="after")
    def _classes(self) -> Self:
        for name in (ANONYMOUS, UNVERIFIED, SUPERADMIN, self.default_class):
            if name not in self.rate_classes:
                raise ValueError(f"rate_classes has no class {name!r}")
        return self

    def is_public(self, path: str) -> bool:
        """Whether a path or path template asks for no credential."""
        return any(fnmatchcase(path, pattern) for pattern in self.public_paths)


@lru_cache(maxsize=4)
def load_policy(path: Path = BASE) -> EdgePolicy:
    """Read the policy.

    Raises:
        PolicyError: the file is not YAML or breaks the models.
    """
    try:
        return EdgePolicy.model_validate(yaml.safe_load(path.read_text()))
    except yaml.YAMLError as error:
        raise PolicyError(f"{path}: not YAML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise PolicyError(f"{path}: {faults}") from error
