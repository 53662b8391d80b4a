"""One nginx for the whole folder, rendered from a catalogue of its own, and a small server in the functions' place."""

import asyncio
import datetime as dt
import ipaddress
import secrets
import socket
import ssl
import string
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from functions.kit.catalogue import Catalogue, load_catalogue
from functions.kit.principal import hash_api_key
from functions.platform.adapters.edge_nginx import NginxEdgeAdmin
from functions.platform.core.edge import EdgeTenant
from kong.policy import EdgePolicy, RateClass, load_policy
from local.embedded.edge import command, render
from tests.integration.edge.functions import Functions

# name, host group, routes, other annotations
FUNCTIONS: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("platform-things", "api", "GET /v1/things\nPOST /v1/things\nGET /v1/things/{thingId}", {"body-limit": "64Ki"}),
    ("platform-remover", "api", "DELETE /v1/things/{thingId}", {"body-limit": "1Ki"}),
    ("platform-entry", "api", "POST /v1/auth/login", {}),
    ("platform-open", "api", "GET /v1/open\nPOST /v1/open", {"public": "true"}),
    ("platform-slow", "api", "GET /v1/waits/{name}", {"timeout": "1"}),
    ("platform-crash", "api", "POST /v1/crashes", {}),
    ("gateway-streams", "llm", "POST /v1/streams/{name}", {"stream": "true", "body-limit": "4Mi", "timeout": "30"}),
    ("agents-away", "away", "GET /v1/away\nPOST /v1/away", {}),
    ("agents-deaf", "deaf", "GET /v1/deaf", {}),
)


@dataclass
class Edge:
    """The running edge, the server behind it, and a client for each of them."""

    directory: Path
    http: str
    https: str
    port: int
    tls_port: int
    functions: Functions
    client: aiohttp.ClientSession
    away: socket.socket
    trust: ssl.SSLContext
    tenants: "Tenants"

    def log(self) -> str:
        return (self.directory / "access.log").read_text()


@dataclass
class Tenants:
    """What the edge was told of tenants; tests add theirs."""

    admin: NginxEdgeAdmin
    known: dict[str, EdgeTenant] = field(default_factory=dict)

    async def put(self, tenant: EdgeTenant) -> None:
        self.known[tenant.id] = tenant
        await self.admin.sync(list(self.known.values()))


def api_key() -> str:
    return "dck_" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(40))


def tenant(plan: str = "standard", status: str = "active", *, key: str = "", revoked: str = "") -> EdgeTenant:
    name = str(uuid.uuid4())
    return EdgeTenant(
        id=name,
        slug=name,
        plan=plan,
        status=status,
        key_hashes=(hash_api_key(key),) if key else (),
        revoked_hashes=(hash_api_key(revoked),) if revoked else (),
    )


async def eventually(check: Callable[[], Awaitable[bool]], *, seconds: float = 5) -> None:
    """Wait until `check` holds; fail when it does not in time."""
    async with asyncio.timeout(seconds):
        while not await check():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture
def bearer() -> dict[str, str]:
    """Headers with a well-formed API key that nobody has used before."""
    return {"Authorization": f"Bearer {api_key()}"}


@pytest.fixture(scope="session")
def edge_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    root = tmp_path_factory.mktemp("catalogue")
    for name, host, routes, others in FUNCTIONS:
        context, folder = name.split("-", 1)
        path = root / context / folder
        path.mkdir(parents=True)
        annotations = {"kind": "http", "host": host, "routes": routes, **others}
        document = {
            "name": name,
            "runtime": "python",
            "deploy": {"annotations": {f"dcoder.dev/{key}": value for key, value in annotations.items()}},
        }
        (path / "func.yaml").write_text(yaml.safe_dump(document))
    return load_catalogue(root)


@pytest.fixture(scope="session")
def edge_policy() -> EdgePolicy:
    """The real policy, with a plan that is soon used up and with less patience."""
    policy = load_policy()
    return policy.model_copy(
        update={
            "rate_classes": {**policy.rate_classes, "tiny": RateClass(per_minute=1, burst=2)},
            "timeouts": policy.timeouts.model_copy(update={"client_headers": 1, "connect": 1}),
        }
    )


@pytest_asyncio.fixture(scope="session")
async def functions() -> AsyncIterator[tuple[Functions, int]]:
    served = Functions()
    runner = web.AppRunner(served.application(), handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    listener = listening()
    await web.SockSite(runner, listener).start()
    yield served, listener.getsockname()[1]
    await runner.cleanup()


def listening(backlog: int = 128) -> socket.socket:
    listener = reserved()
    listener.listen(backlog)
    listener.setblocking(False)
    return listener


def reserved() -> socket.socket:
    """A socket with a port of its own on which nobody listens yet."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


@pytest.fixture(scope="session")
def deaf() -> Iterator[int]:
    """A port whose queue of connections is full: who connects hears nothing at all."""
    with reserved() as listener:
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for one in waiting:
            one.close()


@pytest_asyncio.fixture(scope="session")
async def edge(
    tmp_path_factory: pytest.TempPathFactory,
    edge_catalogue: Catalogue,
    edge_policy: EdgePolicy,
    functions: tuple[Functions, int],
    deaf: int,
) -> AsyncIterator[Edge]:
    directory = tmp_path_factory.mktemp("edge")
    served, port = functions
    trust = certificate(directory)
    with reserved() as http, reserved() as https, reserved() as away:
        ports = {name: held.getsockname()[1] for name, held in (("http", http), ("https", https), ("away", away))}
        http.close()
        https.close()
        upstreams = {"api": port, "llm": port, "away": ports["away"], "deaf": deaf}
        render(
            directory,
            http_port=ports["http"],
            https_port=ports["https"],
            upstreams={name: f"http://127.0.0.1:{number}" for name, number in upstreams.items()},
            catalogue=edge_catalogue,
            policy=edge_policy,
        )
        process = await asyncio.create_subprocess_exec(*command(directory))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as client:
            running = Edge(
                directory=directory,
                http=f"http://127.0.0.1:{ports['http']}",
                https=f"https://127.0.0.1:{ports['https']}",
                port=ports["http"],
                tls_port=ports["https"],
                functions=served,
                client=client,
                away=away,
                trust=trust,
                tenants=Tenants(NginxEdgeAdmin(directory)),
            )
            await eventually(lambda: alive(running))
            yield running
        process.terminate()
        await asyncio.wait_for(process.wait(), 10)


async def alive(edge: Edge) -> bool:
    try:
        async with edge.client.get(f"{edge.http}/health/live") as answer:
            return answer.status == 200
    except aiohttp.ClientConnectorError:
        return False


def certificate(directory: Path) -> ssl.SSLContext:
    """Write tls.crt and tls.key, and return a context that trusts them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (directory / "tls.crt").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "tls.key").write_bytes(private)
    return ssl.create_default_context(cafile=directory / "tls.crt")
