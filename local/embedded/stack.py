"""The embedded stack as a whole: its parts, their settings and the credentials it tells its owner."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from functions.kit.secrets import create_key_file
from local.embedded.component import Component
from local.embedded.components import identity as oidc
from local.embedded.components import nats as nats_server
from local.embedded.components.edge import edge
from local.embedded.components.nats import nats
from local.embedded.components.objects import TENANT_ROLE, is_usable, objects
from local.embedded.components.platform import HOSTS, Program
from local.embedded.components.postgres import PROVISIONER, SUPERUSER, PostgresPlace, postgres
from local.embedded.components.redis import redis
from local.embedded.components.temporal import NAMESPACE, temporal
from local.embedded.credentials import Credentials
from local.embedded.external import external, keep_external, with_role
from local.embedded.ports import Ports
from local.embedded.processes import HOME_VARIABLE
from local.paths import Home

PLATFORM_ROLE = "dcoder_platform"
PLATFORM_DATABASE = "platform"
# Of the starting shell, what programs need to run at all; its secrets stay its own.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class Stack:
    """The parts of a home and how they fit together."""

    home: Home
    ports: Ports
    credentials: Credentials
    external: Mapping[str, str]

    @classmethod
    def opening(cls, home: Home) -> "Stack":
        """The stack to start: ports are chosen and held, secrets made where they are missing."""
        root = home.root
        create_key_file(root / "kek.json")
        create_key_file(root / "service-keys.json", "service")
        create_key_file(root / "audit-keys.json", "audit")
        used = keep_external(root / "external.json")
        ports = Ports.choose(root / "ports.json", usable=is_usable)
        return cls(home, ports, Credentials.keep(root / "credentials.json"), used)

    @classmethod
    def existing(cls, home: Home) -> "Stack":
        """The stack that was started before, to talk to it."""
        root = home.root
        used = external(root / "external.json")
        return cls(home, Ports.remembered(root / "ports.json"), Credentials.keep(root / "credentials.json"), used)

    def components(self) -> tuple[Component, ...]:
        """Every part that is ours to run, in the order in which people think of them."""
        ports, root = self.ports, self.home.root
        base, program = self._base_environment(), self.program()
        servers = [build() for name, build in self._servers(base).items() if name not in self.external]
        return (
            *servers,
            objects(
                root / "s3",
                ports=ports,
                credentials=self.credentials,
                environment=base,
                bucket_prefix=program.environment.get("DCODER_S3_BUCKET_PREFIX", ""),
            ),
            oidc.identity(root / "identity", port=ports["oidc"], credentials=self.credentials, environment=base),
            program.simulator(ports["simulator"]),
            program.migration(),
            program.buckets(),
            *(program.host(group, ports[group]) for group in HOSTS),
            program.dispatcher(ports["dispatcher"]),
            temporal(root / "temporal", port=ports["temporal"], http=ports["temporal-http"], environment=base),
            program.schedules(),
            program.worker(ports["agents-worker"]),
            program.background(ports["integrations-worker"]),
            edge(root / "edge", ports=ports, environment=base),
        )

    def _servers(self, base: dict[str, str]) -> Mapping[str, Callable[[], Component]]:
        """The servers that may be external instead."""
        ports, credentials, root = self.ports, self.credentials, self.home.root
        return {
            "postgres": lambda: postgres(self.postgres_place(), port=ports["postgres"], passwords=self._passwords()),
            "redis": lambda: redis(
                root / "redis", port=ports["redis"], password=credentials.redis_password, environment=base
            ),
            "nats": lambda: nats(
                root / "nats",
                port=ports["nats"],
                monitor=ports["nats-monitor"],
                password=credentials.nats_password,
                environment=base,
            ),
        }

    def folders(self) -> tuple[Path, ...]:
        """All folders that hold state."""
        return (self.home.root, self.postgres_place().folder)

    def postgres_place(self) -> PostgresPlace:
        """Where the database's files are."""
        return PostgresPlace.below(self.home.root)

    def program(self) -> Program:
        """How the platform's own programs are started."""
        credentials = self.credentials
        bucket_owner = {
            "DCODER_S3_ACCESS_KEY": credentials.s3_access_key,
            "DCODER_S3_SECRET_KEY": credentials.s3_secret_key,
        }
        return Program(self.home.root, version("dcoder-platform"), self._settings(), self._privileged(), bucket_owner)

    def addresses(self) -> dict[str, str]:
        """Where the edge is."""
        return {"edge": f"http://{self.ports.address('edge')}", "edgeTls": f"https://{self.ports.address('edge-tls')}"}

    def disclosed(self) -> dict[str, str]:
        """The credentials that `dcoder status` shows."""
        credentials, ports = self.credentials, self.ports
        return {
            "superadminEmail": credentials.superadmin_email,
            "superadminPassword": credentials.superadmin_password,
            "oidcIssuer": f"http://{ports.address('oidc')}",
            "oidcClientId": oidc.COMMAND_LINE_CLIENT,
            "oidcClientSecret": credentials.oidc_client_secret,
            "logtoWebhookKey": credentials.logto_webhook_key,
            "postgresUrl": self._postgres_url(PLATFORM_ROLE),
            "postgresAdminUrl": self._postgres_url(SUPERUSER),
            "redisUrl": self._redis_url(),
            "natsUrl": self._nats_url(),
            "s3Endpoint": f"http://{ports.address('s3')}",
            "s3AccessKey": credentials.s3_access_key,
            "s3SecretKey": credentials.s3_secret_key,
        }

    def _base_environment(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {**inherited, HOME_VARIABLE: str(self.home.root)}

    def _settings(self) -> dict[str, str]:
        """The platform's settings: the shell's own `DCODER_…` variables, under those that the stack decides."""
        ports, credentials, root = self.ports, self.credentials, self.home.root
        chosen = {name: value for name, value in os.environ.items() if name.startswith("DCODER_")}
        allowed = [ports.address("simulator"), *os.environ.get("DCODER_EGRESS_ALLOW", "").split(",")]
        decided = {
            "DCODER_ENVIRONMENT": "embedded",
            "DCODER_DATABASE_URL": self._postgres_url(PLATFORM_ROLE),
            "DCODER_REDIS_URL": self._redis_url(),
            # The one server evicts nothing and keeps what it has; its first database is the one with search.
            "DCODER_QUEUE_URL": urlsplit(self._redis_url())._replace(path="/1").geturl(),
            "DCODER_NATS_URL": self._nats_url(),
            "DCODER_S3_ENDPOINT": f"http://{ports.address('s3')}",
            "DCODER_S3_ACCESS_KEY": credentials.s3_functions_access_key,
            "DCODER_S3_SECRET_KEY": credentials.s3_functions_secret_key,
            "DCODER_S3_TENANT_ROLE": TENANT_ROLE,
            "DCODER_OIDC_ISSUER": f"http://{ports.address('oidc')}",
            "DCODER_OIDC_JWKS_URL": f"http://{ports.address('oidc')}/jwks",
            "DCODER_OIDC_AUDIENCE": oidc.AUDIENCE,
            "DCODER_OIDC_ROLES_CLAIM": "roles",
            "DCODER_OIDC_TENANT_CLAIM": "tenant_id",
            "DCODER_OIDC_CLIENT_ID": oidc.PLATFORM_CLIENT,
            "DCODER_OIDC_CLIENT_SECRET": credentials.oidc_client_secret,
            "DCODER_PUBLIC_URL": f"http://{ports.address('edge')}",
            "DCODER_AUTH_ORIGINS": "http://127.0.0.1:*,http://localhost:*",
            "DCODER_LOGTO_WEBHOOK_KEY": credentials.logto_webhook_key,
            "DCODER_KEK_FILE": str(root / "kek.json"),
            "DCODER_AUDIT_KEYS_FILE": str(root / "audit-keys.json"),
            "DCODER_SERVICE_KEYS_FILE": str(root / "service-keys.json"),
            "DCODER_EDGE_URL": f"http://{ports.address('edge')}",
            "DCODER_EGRESS_ALLOW": ",".join(entry.strip() for entry in allowed if entry.strip()),
            "DCODER_FUNCTION_URL": f"http://{ports.address('events')}/fn/{{name}}",
            "DCODER_FUNCTION_URLS": json.dumps({"ingestion": f"http://{ports.address('ingestion')}/fn/{{name}}"}),
            "DCODER_TEMPORAL_ADDRESS": ports.address("temporal"),
            "DCODER_TEMPORAL_NAMESPACE": NAMESPACE,
            "DCODER_EDGE_DIR": str(root / "edge"),
            "DCODER_SPOOL_DIR": str(root / "spool"),
        }
        return {"DCODER_PLATFORM_ID": "dcoder", **self._base_environment(), **chosen, **decided}

    def _privileged(self) -> Mapping[str, str]:
        return {"DCODER_DATABASE_ADMIN_URL": self._postgres_url(PROVISIONER)}

    def _passwords(self) -> dict[str, str]:
        credentials = self.credentials
        return {
            SUPERUSER: credentials.postgres_password,
            PROVISIONER: credentials.provisioner_password,
            PLATFORM_ROLE: credentials.platform_password,
        }

    def _postgres_url(self, role: str) -> str:
        database = PLATFORM_DATABASE if role == PLATFORM_ROLE else "postgres"
        if (used := self.external.get("postgres")) and role != PLATFORM_ROLE:
            return used
        server = used or f"postgresql://{self.ports.address('postgres')}/"
        return with_role(server, user=role, password=self._passwords()[role], database=database)

    def _redis_url(self) -> str:
        own = f"redis://:{self.credentials.redis_password}@{self.ports.address('redis')}/0"
        return self.external.get("redis", own)

    def _nats_url(self) -> str:
        own = f"nats://{nats_server.USER}:{self.credentials.nats_password}@{self.ports.address('nats')}"
        return self.external.get("nats", own)
