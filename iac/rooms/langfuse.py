"""Langfuse: its web, its worker, and the ClickHouse that its traces are in."""

from collections.abc import Iterator

from iac.manifests import Manifest, config_map, name_of, secret
from iac.stack import LLMOPS, OBJECTS_URL, REDIS_HOSTS, Platform, database_url
from iac.workloads import Container, Workload, claim, http_probe

ROOM = "langfuse"
_LABELS = {"app.kubernetes.io/instance": "langfuse"}
_CLICKHOUSE = f"clickhouse.{LLMOPS}.svc.cluster.local"
_USERS = """<clickhouse>
  <users><langfuse>
    <password from_env="CLICKHOUSE_PASSWORD"/>
    <networks><ip>::/0</ip></networks>
    <profile>default</profile><quota>default</quota>
    <access_management>0</access_management>
  </langfuse></users>
</clickhouse>
"""
_SERVER = """<clickhouse>
  <logger><level>warning</level><console>1</console><log remove="1"/><errorlog remove="1"/></logger>
  <listen_host>0.0.0.0</listen_host>
</clickhouse>
"""


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    yield _secret(platform)
    yield from _clickhouse(platform)
    configuration = platform.configuration.langfuse
    for name, image, port, path in (
        ("langfuse-web", "langfuse", 3000, "/api/public/health"),
        ("langfuse-worker", "langfuse-worker", 3030, "/api/health"),
    ):
        container = Container(
            name="langfuse",
            image=platform.image(image),
            resources=configuration.resources,
            ports={"http": port},
            env=_environment(platform),
            env_from=("langfuse",),
            live=http_probe(path, port, seconds=15, failures=4),
            ready=http_probe(path, port),
            startup=http_probe(path, port, seconds=5, failures=60),
            writable=("/tmp", "/app/web/.next/cache") if name == "langfuse-web" else ("/tmp",),  # noqa: S108
        )
        yield from Workload(
            name=name,
            namespace=LLMOPS,
            room=ROOM,
            containers=(container,),
            replicas=configuration.replicas,
            user=1001,
            group=65533,
            service={"http": (port, "http")},
            labels=_LABELS,
        ).deployment()


def _secret(platform: Platform) -> Manifest:
    external = platform.configuration.objects.external
    key, code = (
        ("externalS3AccessKey", "externalS3SecretKey") if external else ("objectsLangfuseKey", "objectsLangfuseSecret")
    )
    stored = {}
    for kind in ("EVENT", "MEDIA"):
        stored[f"LANGFUSE_S3_{kind}_UPLOAD_ACCESS_KEY_ID"] = f"{{{{ {key} }}}}"
        stored[f"LANGFUSE_S3_{kind}_UPLOAD_SECRET_ACCESS_KEY"] = f"{{{{ {code} }}}}"
    texts = {
        "DATABASE_URL": database_url("langfuse", "langfuseDatabase"),
        "SALT": "{{ langfuseSalt }}",
        "ENCRYPTION_KEY": "{{ langfuseHexKey }}",
        "NEXTAUTH_SECRET": "{{ langfuseSessions }}",
        "CLICKHOUSE_PASSWORD": "{{ clickhouse }}",
        "REDIS_AUTH": "{{ redisQueue }}",
        # The project that functions send their calls to, made at the first start.
        "LANGFUSE_INIT_PROJECT_PUBLIC_KEY": "pk-lf-{{ langfusePublic }}",
        "LANGFUSE_INIT_PROJECT_SECRET_KEY": "sk-lf-{{ langfuseSecret }}",
        "LANGFUSE_INIT_USER_PASSWORD": "{{ langfuseAdministrator }}",
    }
    return secret("langfuse", LLMOPS, texts | stored, room=ROOM)


def _environment(platform: Platform) -> dict[str, str]:
    external = platform.configuration.objects.external
    texts = {
        "NEXTAUTH_URL": platform.public("langfuse"),
        "HOSTNAME": "0.0.0.0",  # noqa: S104 - a container's contract
        "TELEMETRY_ENABLED": "false",
        "AUTH_DISABLE_SIGNUP": "true",
        "CLICKHOUSE_URL": f"http://{_CLICKHOUSE}:8123",
        "CLICKHOUSE_MIGRATION_URL": f"clickhouse://{_CLICKHOUSE}:9000",
        "CLICKHOUSE_USER": "langfuse",
        "CLICKHOUSE_CLUSTER_ENABLED": "false",
        "REDIS_HOST": REDIS_HOSTS["queue"],
        "REDIS_PORT": "6379",
        "LANGFUSE_INIT_ORG_ID": "dcoder",
        "LANGFUSE_INIT_PROJECT_ID": "dcoder",
        "LANGFUSE_INIT_USER_EMAIL": f"admin@{platform.configuration.cluster.domain}",
    }
    for kind in ("EVENT", "MEDIA"):
        texts |= {
            f"LANGFUSE_S3_{kind}_UPLOAD_BUCKET": f"{external.bucket_prefix if external else ''}langfuse",
            f"LANGFUSE_S3_{kind}_UPLOAD_REGION": external.region if external else "us-east-1",
            f"LANGFUSE_S3_{kind}_UPLOAD_ENDPOINT": external.endpoint if external else OBJECTS_URL,
            f"LANGFUSE_S3_{kind}_UPLOAD_FORCE_PATH_STYLE": "true",
            f"LANGFUSE_S3_{kind}_UPLOAD_PREFIX": f"{kind.lower()}/",
        }
    return texts


def _clickhouse(platform: Platform) -> Iterator[Manifest]:
    configuration = platform.configuration.langfuse
    files = config_map("clickhouse", LLMOPS, {"users.xml": _USERS, "server.xml": _SERVER}, room=ROOM)
    yield files
    container = Container(
        name="clickhouse",
        image=platform.image("clickhouse"),
        resources=configuration.clickhouse_resources,
        ports={"http": 8123, "native": 9000},
        env={"CLICKHOUSE_SKIP_USER_SETUP": "1"},
        secrets={"CLICKHOUSE_PASSWORD": ("langfuse", "CLICKHOUSE_PASSWORD")},
        live=http_probe("/ping", 8123, seconds=15, failures=4),
        ready=http_probe("/ping", 8123),
        startup=http_probe("/ping", 8123, seconds=5, failures=60),
        writable=("/tmp", "/var/log/clickhouse-server"),  # noqa: S108
        mounts={
            "/var/lib/clickhouse": "data",
            "/etc/clickhouse-server/users.d": "users",
            "/etc/clickhouse-server/config.d": "server",
        },
    )
    volumes = tuple(
        {"name": name, "configMap": {"name": name_of(files), "items": [{"key": f"{name}.xml", "path": "dcoder.xml"}]}}
        for name in ("users", "server")
    )
    workload = Workload(
        name="clickhouse",
        namespace=LLMOPS,
        room=ROOM,
        containers=(container,),
        replicas=1,
        user=101,
        group=101,
        volumes=volumes,
        service={"http": (8123, "http"), "native": (9000, "native")},
        labels=_LABELS,
        grace_seconds=60,
    )
    storage = configuration.clickhouse_storage
    yield from workload.stateful_set([claim("data", storage.size, platform.storage_class(storage.storage_class))])
