"""What a service of the Compose files is made of, and how it is written down."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Where everything that people may open is bound; the template `.env` says how to open it to others.
BIND = "${DCODER_BIND:-127.0.0.1}"
HEALTHY = "service_healthy"
DONE = "service_completed_successfully"
STARTED = "service_started"
# Where a container listens: its networks decide who reaches it.
EVERYWHERE = "0.0.0.0"  # noqa: S104


@dataclass(frozen=True, slots=True)
class Size:
    """What a service may take at most and is promised at least; memory in MiB."""

    memory: int
    reserved: int
    cpus: float = 1.0

    def document(self) -> dict[str, Any]:
        """As Compose writes it."""
        return {
            "limits": {"cpus": str(self.cpus), "memory": f"{self.memory}M"},
            "reservations": {"memory": f"{self.reserved}M"},
        }


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the container and the one on the machine that leads to it.

    Attributes:
        public: published by `docker-compose.yml`; otherwise only by the development overrides, on loopback.
    """

    published: int
    target: int
    public: bool = False

    def document(self) -> str:
        """As Compose writes it."""
        return f"{BIND if self.public else '127.0.0.1'}:{self.published}:{self.target}"


@dataclass(frozen=True, slots=True)
class Service:
    """One service.

    Attributes:
        health: command that ends with 0 while it is well; None where `unchecked` says why there is none.
        secrets: names; `name:file` puts one under another name.
        after: services that must be in a condition first.
        job: it does its work and ends.
        ours: one of our images, which run read-only, without capabilities.
        aliases: other names it answers to, by network.
        addresses: fixed addresses, by network.
        dev: what the development overrides change.
    """

    name: str
    image: str
    networks: tuple[str, ...]
    size: Size
    health: tuple[str, ...] | None = None
    unchecked: str = ""
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    after: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    job: bool = False
    ours: bool = False
    user: str = ""
    build: Mapping[str, Any] = field(default_factory=dict)
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    grace_seconds: int = 10
    start_seconds: int = 30
    dev: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The service as `docker-compose.yml` has it."""
        written: dict[str, Any] = {"image": self.image}
        if self.build:
            written["build"] = dict(self.build)
        for name in ("entrypoint", "command"):
            if value := getattr(self, name):
                written[name] = list(value)
        written |= {"environment": dict(self.environment)} if self.environment else {}
        written |= {"secrets": [_secret(name) for name in self.secrets]} if self.secrets else {}
        written |= {"volumes": list(self.volumes)} if self.volumes else {}
        if ports := [port.document() for port in self.ports if port.public]:
            written["ports"] = ports
        written["networks"] = {network: self._membership(network) for network in self.networks}
        if self.after:
            written["depends_on"] = {name: {"condition": condition} for name, condition in self.after.items()}
        written |= self._life()
        written["deploy"] = {"resources": self.size.document()}
        return written

    def overrides(self) -> dict[str, Any]:
        """What `docker-compose.dev.yml` adds to it."""
        added = dict(self.dev)
        if ports := [port.document() for port in self.ports if not port.public]:
            # Networks without a way out publish nothing.
            added |= {"ports": ports, "networks": {"development": None}}
        return added

    def _membership(self, network: str) -> dict[str, Any] | None:
        known: dict[str, Any] = {}
        if aliases := self.aliases.get(network):
            known["aliases"] = list(aliases)
        if address := self.addresses.get(network):
            known["ipv4_address"] = address
        return known or None

    def _life(self) -> dict[str, Any]:
        life: dict[str, Any] = {"restart": "on-failure:5" if self.job else "unless-stopped"}
        if self.health:
            life["healthcheck"] = {
                "test": [part.replace("$", "$$") for part in self.health],
                "interval": "10s",
                "timeout": "5s",
                "retries": 6,
                "start_period": f"{self.start_seconds}s",
            }
        life["stop_grace_period"] = f"{self.grace_seconds}s"
        life["init"] = True
        life["security_opt"] = ["no-new-privileges:true"]
        life["logging"] = {"driver": "json-file", "options": {"max-size": "20m", "max-file": "5"}}
        if self.user:
            life["user"] = self.user
        if self.ours:
            life |= {"read_only": True, "cap_drop": ["ALL"], "tmpfs": ["/tmp:size=256m,mode=1777"]}  # noqa: S108
        return life


def shell(*lines: str) -> tuple[str, ...]:
    """A command of several lines that stops at the first failure; `$$` is how Compose is told to leave a `$` alone."""
    return ("sh", "-euc", "\n".join(lines).replace("$", "$$"))


def with_secrets(variables: Mapping[str, str], command: str) -> tuple[str, ...]:
    """Run a program that takes its secrets as variables: they are read from their files inside the container.

    Args:
        variables: variable to the secret's name, or to text with `{secret}` in it.
    """
    lines = [f'export {name}="{_read(value)}"' for name, value in variables.items()]
    return shell(*lines, f"exec {command}")


def _secret(name: str) -> str | dict[str, str]:
    source, _, target = name.partition(":")
    return {"source": source, "target": target} if target else source


def _read(value: str) -> str:
    parts = value.split("{") if "{" in value else ["", f"{value}}}"]
    text = parts[0]
    for part in parts[1:]:
        name, _, rest = part.partition("}")
        text += f"$(cat /run/secrets/{name}){rest}"
    return text
