"""Agenta: the playground of prompts; API, services, workers, pages, and the SuperTokens it signs in with."""

from collections.abc import Iterator

from iac.configuration.base import resources
from iac.manifests import Manifest, digest, secret
from iac.stack import LLMOPS, POSTGRES_HOST, REDIS_HOSTS, Platform, inside
from iac.workloads import Container, Probe, Workload, exec_probe, http_probe, tcp_probe

ROOM = "agenta"
_LABELS = {"app.kubernetes.io/instance": "agenta"}
_GUNICORN = "gunicorn {} --bind 0.0.0.0:{} --worker-class uvicorn.workers.UvicornWorker --workers 2 --timeout 60"
_SMALL = resources(("50m", "128Mi"), ("500m", "512Mi"))
_ALIVE = exec_probe("python", "-c", "import os; os.kill(1, 0)", seconds=30)


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    yield _secret()
    yield from _migration(platform)
    api, services = _GUNICORN.format("entrypoints.routers:app", 8000), _GUNICORN.format("entrypoints.main:app", 8080)
    yield from _program("agenta-api", "agenta-api", api, platform, port=8000, path="/api/health", prefix="/api")
    yield from _program(
        "agenta-services", "agenta-services", services, platform, port=8080, path="/services/health", prefix="/services"
    )
    for kind in ("streams", "queues"):
        yield from _program(f"agenta-{kind}", "agenta-api", f"python -m entrypoints.worker_{kind}", platform)
    yield from _program("agenta-web", "agenta-web", "node ./oss/server.js", platform, port=3000, path="/")
    yield from _tokens(platform)


def _secret() -> Manifest:
    place = f"agenta:{{{{ agentaDatabase }}}}@{POSTGRES_HOST}:5432"
    queue = f"redis://:{{{{ redisQueue }}}}@{REDIS_HOSTS['queue']}:6379"
    texts = {
        "POSTGRES_URI_CORE": f"postgresql+asyncpg://{place}/agenta_oss_core?ssl=require",
        "POSTGRES_URI_TRACING": f"postgresql+asyncpg://{place}/agenta_oss_tracing?ssl=require",
        "POSTGRES_URI_SUPERTOKENS": f"postgresql://{place}/agenta_oss_supertokens?sslmode=require",
        "POSTGRESQL_CONNECTION_URI": f"postgresql://{place}/agenta_oss_supertokens?sslmode=require",
        "AGENTA_AUTH_KEY": "{{ agentaAuth }}",
        "AGENTA_CRYPT_KEY": "{{ agentaCrypt }}",
        "REDIS_URI_DURABLE": f"{queue}/5",
        "REDIS_URI_VOLATILE": f"{queue}/6",
    }
    return secret("agenta", LLMOPS, texts, room=ROOM)


def _environment(platform: Platform) -> dict[str, str]:
    url = platform.public("agenta")
    return {
        "AGENTA_LICENSE": "oss",
        "AGENTA_WEB_URL": url,
        "AGENTA_API_URL": f"{url}/api",
        "AGENTA_SERVICES_URL": f"{url}/services",
        "AGENTA_API_INTERNAL_URL": inside("agenta-api", LLMOPS, 8000),
        "SUPERTOKENS_URI_CORE": inside("supertokens", LLMOPS, 3567),
        "HOME": "/tmp",  # noqa: S108
    }


def _migration(platform: Platform) -> Iterator[Manifest]:
    container = Container(
        name="migrate",
        image=platform.image("agenta-api"),
        command=("sh", "-c", "python -m oss.databases.postgres.migrations.runner"),
        resources=_SMALL,
        env=_environment(platform),
        env_from=("agenta",),
    )
    workload = Workload(
        name="agenta-migrate", namespace=LLMOPS, room=ROOM, containers=(container,), replicas=1, labels=_LABELS
    )
    yield from workload.job(digest(container.spec()), deadline_seconds=900, tries=10)


def _program(
    name: str, image: str, command: str, platform: Platform, *, port: int = 0, path: str = "", prefix: str = ""
) -> Iterator[Manifest]:
    configuration = platform.configuration.agenta
    probe: Probe = http_probe(path, port) if port else _ALIVE
    container = Container(
        name="agenta",
        image=platform.image(image),
        command=("sh", "-c", f"exec {command}"),
        resources=configuration.resources,
        ports={"http": port} if port else {},
        env=_environment(platform) | ({"SCRIPT_NAME": prefix} if prefix else {}),
        env_from=("agenta",),
        live={**probe, "periodSeconds": 30},
        ready=probe,
        startup={**probe, "periodSeconds": 5, "failureThreshold": 60},
        writable=("/tmp", "/app/oss/public") if name == "agenta-web" else ("/tmp",),  # noqa: S108
    )
    yield from Workload(
        name=name,
        namespace=LLMOPS,
        room=ROOM,
        containers=(container,),
        replicas=configuration.replicas,
        service={"http": (port, "http")} if port else {},
        labels=_LABELS,
    ).deployment()


def _tokens(platform: Platform) -> Iterator[Manifest]:
    container = Container(
        name="supertokens",
        image=platform.image("supertokens"),
        resources=resources(("50m", "256Mi"), ("1", "1Gi")),
        ports={"http": 3567},
        env_from=("agenta",),
        live=tcp_probe(3567, seconds=30),
        ready=tcp_probe(3567),
        startup=tcp_probe(3567, seconds=5, failures=60),
        writable=("/tmp", "/usr/lib/supertokens/temp", "/lib/supertokens/temp"),  # noqa: S108
    )
    yield from Workload(
        name="supertokens",
        namespace=LLMOPS,
        room=ROOM,
        containers=(container,),
        replicas=1,
        service={"http": (3567, "http")},
        labels=_LABELS,
    ).deployment()
