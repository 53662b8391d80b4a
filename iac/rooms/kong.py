"""The edge: Kong with a Postgres of its own, TLS, and routes rendered from the catalogue at every release."""

from collections.abc import Iterator
from typing import Any

import yaml

from iac.configuration.base import resources
from iac.manifests import ROOM_LABEL, Manifest, config_map, digest, manifest, name_of, secret
from iac.rooms.cluster import EDGE_CERTIFICATE
from iac.rooms.postgres import archiving, backup_credentials, backup_schedule, monitors, object_store, spread
from iac.stack import (
    CLIENTS,
    EDGE,
    FLAGS,
    FUNCTION_URL,
    IDENTITY,
    LLMOPS,
    OBSERVABILITY,
    OTLP_URL,
    REDIS_HOSTS,
    Platform,
    inside,
)
from iac.workloads import Container, Workload, http_probe
from kong.environment import kong_environment
from kong.policy import EdgePolicy, load_policy
from kong.render import render

ROOM = "kong"
_JOBS = "kong-jobs"
_TLS = "/etc/kong/tls"
_USER = 1000
_HOST = f"kong-rw.{EDGE}.svc.cluster.local"
_SMALL = resources(("100m", "256Mi"), ("1", "512Mi"))
_WRITABLE = ("/tmp", "/usr/local/kong")  # noqa: S108
# What else browsers reach, by its name below the domain.
APPLICATIONS = {
    "auth": inside("logto", IDENTITY, 3001),
    "auth-console": inside("logto", IDENTITY, 3002),
    "flags": inside("flagsmith", FLAGS, 8000),
    "docs": inside("doc-chat", CLIENTS, 8080),
    "code": inside("code-chat", CLIENTS, 8080),
    "admin": inside("admin-dashboard", CLIENTS, 3000),
    "deloitte": inside("deloitte-dashboard", CLIENTS, 3000),
    "grafana": inside("grafana", OBSERVABILITY, 3000),
    "langfuse": inside("langfuse-web", LLMOPS, 3000),
    "mlflow": inside("mlflow", LLMOPS, 5000),
    "agenta": inside("agenta-web", LLMOPS, 3000),
}
# Consoles without a sign-in that knows our roles are for operators on the company's own network.
_INSIDE_ONLY = frozenset({"auth-console", "mlflow", "agenta"})


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    yield from _database(platform)
    has_licence = platform.configuration.kong.edition == "enterprise"
    texts = {"KONG_PG_PASSWORD": "{{ kongDatabase }}", "DCODER_REDIS_PASSWORD": "{{ redisEdge }}"}
    yield secret("kong", EDGE, texts | ({"KONG_LICENSE_DATA": "{{ kongLicence }}"} if has_licence else {}), room=ROOM)
    yield from _migration(platform)
    yield from _proxies(platform)
    yield from _services(platform)
    yield from _routes(platform)


def configuration_of(platform: Platform) -> dict[str, Any]:
    """Kong's declarative configuration: functions by the catalogue, everything else by its host name."""
    document = render(
        edition=platform.configuration.kong.edition,
        catalogue=platform.catalogue,
        function_url=FUNCTION_URL,
        redis_host=REDIS_HOSTS["edge"],
        otlp_url=OTLP_URL,
        policy=edge_policy(platform),
    )
    document["services"] += [_application(name, url, platform) for name, url in APPLICATIONS.items()]
    return document


def edge_policy(platform: Platform) -> EdgePolicy:
    """The edge's policy with the dashboards of this stack as the only foreign origins."""
    base = load_policy()
    origins = tuple(platform.public(name) for name in ("admin", "deloitte"))
    local = base.cors.origins if platform.configuration.environment == "dev" else ()
    return base.model_copy(update={"cors": base.cors.model_copy(update={"origins": (*origins, *local)})})


def _database(platform: Platform) -> Iterator[Manifest]:
    configuration = platform.configuration.kong
    login = {"username": "kong", "password": "{{ kongDatabase }}"}
    yield secret("kong-database", EDGE, login, room=ROOM, kind="kubernetes.io/basic-auth")
    yield backup_credentials(platform, EDGE)
    yield object_store(platform, EDGE, "kong")
    storage = configuration.database_storage
    chosen = storage.storage_class or platform.configuration.cluster.storage_class
    yield manifest(
        "postgresql.cnpg.io/v1",
        "Cluster",
        "kong",
        namespace=EDGE,
        labels={ROOM_LABEL: ROOM},
        spec={
            "instances": configuration.database_instances,
            "imageName": platform.image("postgres"),
            "storage": {"size": storage.size, **({"storageClass": chosen} if chosen else {})},
            "resources": _SMALL.spec(),
            "affinity": spread(),
            "seccompProfile": {"type": "RuntimeDefault"},
            "postgresql": {"pg_hba": ["hostssl all all all scram-sha-256", "hostnossl all all all reject"]},
            "enableSuperuserAccess": False,
            "plugins": [{**archiving("kong"), "enabled": True, "isWALArchiver": True}],
            "bootstrap": {"initdb": {"database": "kong", "owner": "kong", "secret": {"name": "kong-database"}}},
        },
    )
    yield backup_schedule(platform, EDGE, "kong")
    yield from monitors(EDGE, "kong")


def _environment(platform: Platform) -> dict[str, str]:
    return {
        **kong_environment(edge_policy(platform), certificate=f"{_TLS}/tls.crt", key=f"{_TLS}/tls.key"),
        "KONG_DATABASE": "postgres",
        "KONG_PG_HOST": _HOST,
        "KONG_PG_USER": "kong",
        "KONG_PG_DATABASE": "kong",
        "KONG_PG_SSL": "on",
        "KONG_PREFIX": "/usr/local/kong",
        "KONG_NGINX_DAEMON": "off",
        # Only edge sync and the release's job reach it, by network policy.
        "KONG_ADMIN_LISTEN": "0.0.0.0:8001",
    }


def _image(platform: Platform) -> str:
    return platform.image("kong" if platform.configuration.kong.edition == "free" else "kong-enterprise")


def _migration(platform: Platform) -> Iterator[Manifest]:
    container = Container(
        name="migrate",
        image=_image(platform),
        command=("sh", "-c", "kong migrations bootstrap && kong migrations up && kong migrations finish"),
        resources=_SMALL,
        env=_environment(platform),
        env_from=("kong",),
        writable=_WRITABLE,
        mounts={_TLS: "tls"},
    )
    yield from _job("kong-migrate", container, _tls())


def _proxies(platform: Platform) -> Iterator[Manifest]:
    configuration = platform.configuration.kong
    container = Container(
        name="kong",
        image=_image(platform),
        command=("sh", "-c", "exec kong start"),
        resources=configuration.resources,
        ports={"proxy": 8000, "proxy-tls": 8443, "admin": 8001, "status": 8100},
        env=_environment(platform),
        env_from=("kong",),
        live=http_probe("/status", 8100, seconds=15, failures=4),
        ready=http_probe("/status/ready", 8100, seconds=5),
        startup=http_probe("/status", 8100, seconds=3, failures=60),
        writable=_WRITABLE,
        mounts={_TLS: "tls"},
    )
    made = Workload(
        name="kong",
        namespace=EDGE,
        room=ROOM,
        containers=(container,),
        replicas=configuration.replicas,
        user=_USER,
        group=_USER,
        volumes=_tls(),
        metrics=("status", "/metrics"),
        # Open answers are finished first.
        grace_seconds=60,
    ).deployment()
    yield from made


def _services(platform: Platform) -> Iterator[Manifest]:
    configuration = platform.configuration.kong
    pods = {"app.kubernetes.io/name": "kong"}
    ports = [("http", 80, "proxy"), ("https", 443, "proxy-tls")]
    spec: dict[str, Any] = {
        "type": configuration.service_type,
        "selector": pods,
        "ports": [{"name": name, "port": port, "targetPort": target} for name, port, target in ports],
    }
    if configuration.service_type != "ClusterIP":
        spec["externalTrafficPolicy"] = "Local"
    labels = {ROOM_LABEL: ROOM}
    yield manifest(
        "v1", "Service", "kong", namespace=EDGE, labels=labels, annotations=configuration.service_annotations, spec=spec
    )
    admin = {"selector": pods, "ports": [{"name": "admin", "port": 8001, "targetPort": "admin"}]}
    yield manifest("v1", "Service", "kong-admin", namespace=EDGE, labels=labels, spec=admin)


def _routes(platform: Platform) -> Iterator[Manifest]:
    text = yaml.safe_dump(configuration_of(platform), sort_keys=False, width=120)
    routes = config_map("kong-routes", EDGE, {"kong.yml": text}, room=ROOM)
    yield routes
    container = Container(
        name="deck",
        image=platform.image("deck"),
        # Tenants carry a tag of their own and stay; what has ours and is not in the file goes.
        args=("gateway", "sync", "/routes/kong.yml", "--kong-addr", "http://kong-admin:8001", "--select-tag", "dcoder"),
        resources=_SMALL,
        env={"HOME": "/tmp", "DECK_ANALYTICS": "off"},  # noqa: S108
        mounts={"/routes": "routes"},
    )
    yield from _job("kong-sync", container, ({"name": "routes", "configMap": {"name": name_of(routes)}},))


def _application(name: str, url: str, platform: Platform) -> dict[str, Any]:
    plugins = [_private()] if name in _INSIDE_ONLY else []
    route = {
        "name": f"application.{name}",
        "tags": ["dcoder"],
        "protocols": ["https"],
        "hosts": [platform.host(name)],
        "paths": ["/"],
        "strip_path": False,
        "preserve_host": True,
        "response_buffering": False,
        "plugins": plugins,
    }
    return {
        "name": f"application.{name}",
        "tags": ["dcoder"],
        "url": url,
        "retries": 0,
        "connect_timeout": 2000,
        "read_timeout": 620_000,
        "write_timeout": 60_000,
        "routes": [route],
        # In place of the API's own, whose content policy lets no page run.
        "plugins": [_pages_headers()],
    }


def _pages_headers() -> dict[str, Any]:
    headers = ["X-Content-Type-Options:nosniff", f"Strict-Transport-Security:{load_policy().hsts}"]
    config = {"remove": {"headers": ["Server", "X-Powered-By"]}, "add": {"headers": headers}}
    return {"name": "response-transformer", "tags": ["dcoder"], "config": config}


def _private() -> dict[str, Any]:
    networks = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
    return {
        "name": "ip-restriction",
        "config": {"allow": networks, "status": 404, "message": "There is no such route."},
    }


def _tls() -> tuple[dict[str, Any], ...]:
    return ({"name": "tls", "secret": {"secretName": EDGE_CERTIFICATE, "defaultMode": 0o444}},)


def _job(name: str, container: Container, volumes: tuple[dict[str, Any], ...]) -> list[Manifest]:
    workload = Workload(
        name=name,
        namespace=EDGE,
        room=_JOBS,
        containers=(container,),
        replicas=1,
        user=_USER,
        group=_USER,
        volumes=volumes,
    )
    return workload.job(digest(container.spec()), deadline_seconds=900, tries=10)
