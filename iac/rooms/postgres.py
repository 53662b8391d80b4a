"""Postgres by CloudNativePG: the platform's cluster, its pooler, its backups, and a database for each application."""

from collections.abc import Iterator
from typing import Any

from iac.manifests import ROOM_LABEL, Manifest, manifest, secret
from iac.stack import DATA, OBJECTS_URL, Platform

ROOM = "postgres"
CLUSTER = "platform"
_LABELS = {ROOM_LABEL: ROOM}
_API = "postgresql.cnpg.io/v1"
_PLUGIN = "barman-cloud.cloudnative-pg.io"
_STORE = "backups"
_COMPRESSION = "gzip"
# Applications that keep their data here: database and role have the application's name.
APPLICATIONS: dict[str, str] = {
    "logto": "logtoDatabase",
    "flagsmith": "flagsmithDatabase",
    "mlflow": "mlflowDatabase",
    "agenta_oss_core": "agentaDatabase",
    "agenta_oss_tracing": "agentaDatabase",
    "agenta_oss_supertokens": "agentaDatabase",
    "langfuse": "langfuseDatabase",
    "temporal": "temporalDatabase",
    "temporal_visibility": "temporalDatabase",
    "doc_chat": "docChatDatabase",
    "code_chat": "codeChatDatabase",
}
# Databases whose owner has another name than they.
_OWNERS = {
    name: "agenta" if name.startswith("agenta") else "temporal"
    for name in APPLICATIONS
    if name[:8] in {"agenta_o", "temporal"}
}
_ROLES = {_OWNERS.get(name, name): password for name, password in APPLICATIONS.items()}
# What only a superuser may do and provisioning relies on: stateful/postgres/README.md.
_TEMPLATE = [f"CREATE EXTENSION IF NOT EXISTS {name}" for name in ("vector", "pg_trgm", "unaccent")]
_PROVISIONER = [
    "ALTER ROLE dcoder_provisioner CREATEDB CREATEROLE",
    *(
        statement
        for database in ("postgres", "template1")
        for statement in (
            f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC",
            f"GRANT CONNECT ON DATABASE {database} TO dcoder_provisioner",
        )
    ),
]


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    yield _login("postgres-provisioner", "dcoder_provisioner", "databaseAdmin")
    for role, password in _ROLES.items():
        yield _login(f"postgres-{_dashed(role)}", role, password)
    yield backup_credentials(platform, DATA)
    yield object_store(platform, DATA, CLUSTER)
    yield _cluster(platform)
    yield backup_schedule(platform, DATA, CLUSTER)
    yield _pooler(platform)
    for name in APPLICATIONS:
        yield _database(name)
    yield from monitors(DATA, CLUSTER)
    yield _labelled("monitoring.coreos.com/v1", "PodMonitor", "platform-pooler", DATA, **_scrape(_POOLER_LABELS))


def backup_credentials(platform: Platform, namespace: str) -> Manifest:
    """What write-ahead logs and backups are stored with."""
    external = platform.configuration.objects.external
    key, code = ("externalS3AccessKey", "externalS3SecretKey") if external else ("objectsBackupsKey", "objectsBackups")
    texts = {"ACCESS_KEY": f"{{{{ {key} }}}}", "SECRET_KEY": f"{{{{ {code} }}}}"}
    return secret("backup-credentials", namespace, texts, room=ROOM)


def object_store(platform: Platform, namespace: str, cluster: str) -> Manifest:
    """Where a cluster's backups go, encrypted and for how long."""
    external, backups = platform.configuration.objects.external, platform.configuration.postgres.backups
    prefix = external.bucket_prefix if external else ""
    key = {"name": "backup-credentials", "key": "ACCESS_KEY"}
    code = {"name": "backup-credentials", "key": "SECRET_KEY"}
    stored = {"compression": _COMPRESSION, "encryption": backups.encryption}
    return _labelled(
        "barmancloud.cnpg.io/v1",
        "ObjectStore",
        f"{cluster}-{_STORE}",
        namespace,
        spec={
            "retentionPolicy": f"{backups.retention_days}d",
            "configuration": {
                "destinationPath": f"s3://{prefix}backups/postgres/{cluster}",
                "endpointURL": external.endpoint if external else OBJECTS_URL,
                "s3Credentials": {"accessKeyId": key, "secretAccessKey": code},
                "data": stored,
                "wal": {**stored, "maxParallel": 4},
            },
            "instanceSidecarConfiguration": {
                "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}
            },
        },
    )


def backup_schedule(platform: Platform, namespace: str, cluster: str) -> Manifest:
    """A base backup a day; write-ahead logs are archived all the time."""
    return _labelled(
        _API,
        "ScheduledBackup",
        f"{cluster}-daily",
        namespace,
        spec={
            "schedule": platform.configuration.postgres.backups.schedule,
            "immediate": True,
            "backupOwnerReference": "self",
            "cluster": {"name": cluster},
            "method": "plugin",
            "pluginConfiguration": {"name": _PLUGIN},
        },
    )


def monitors(namespace: str, cluster: str) -> Iterator[Manifest]:
    """Prometheus asks every server."""
    yield _labelled(
        "monitoring.coreos.com/v1",
        "PodMonitor",
        f"postgres-{cluster}",
        namespace,
        **_scrape({"cnpg.io/cluster": cluster, "cnpg.io/podRole": "instance"}),
    )


def archiving(cluster: str, *, server: str | None = None) -> dict[str, Any]:
    """The plugin that archives, or the one that an old server's archive is read with."""
    parameters = {"barmanObjectName": f"{cluster}-{_STORE}"}
    return {
        "name": _PLUGIN,
        "parameters": parameters if server is None else {**parameters, "serverName": server},
    }


def restricted_server() -> dict[str, Any]:
    """CloudNativePG's servers are restricted by themselves; this asks for the same seccomp profile in words."""
    return {"seccompProfile": {"type": "RuntimeDefault"}}


def spread() -> dict[str, Any]:
    """Servers of one cluster on nodes of their own."""
    return {"enablePodAntiAffinity": True, "podAntiAffinityType": "preferred", "topologyKey": "kubernetes.io/hostname"}


_POOLER_LABELS = {"cnpg.io/poolerName": "platform-pooler"}


def _cluster(platform: Platform) -> Manifest:
    configuration = platform.configuration.postgres
    spec: dict[str, Any] = {
        "instances": configuration.instances,
        "imageName": platform.image("postgres"),
        "primaryUpdateStrategy": "unsupervised",
        "storage": _volume(configuration.storage, platform),
        "walStorage": _volume(configuration.wal_storage, platform),
        "resources": configuration.resources.spec(),
        "affinity": spread(),
        **restricted_server(),
        "postgresql": {
            "parameters": {
                "max_connections": str(configuration.max_connections),
                "log_min_duration_statement": f"{configuration.slow_query_milliseconds}ms",
                "log_lock_waits": "on",
                "password_encryption": "scram-sha-256",
                "ssl_min_protocol_version": "TLSv1.2",
                "autovacuum_naptime": "30s",
                "pg_stat_statements.max": "10000",
                "pg_stat_statements.track": "top",
            },
            # Nobody gets in without TLS and a password.
            "pg_hba": ["hostssl all all all scram-sha-256", "hostnossl all all all reject"],
        },
        "managed": {"roles": [_role(name) for name in _ROLES]},
        "enableSuperuserAccess": False,
        "plugins": [{**archiving(CLUSTER), "enabled": True, "isWALArchiver": True}],
        "bootstrap": _bootstrap(platform),
    }
    if configuration.restore:
        spec["externalClusters"] = [
            {"name": "origin", "plugin": archiving(CLUSTER, server=configuration.restore.server)}
        ]
    return _labelled(_API, "Cluster", CLUSTER, DATA, spec=spec)


def _bootstrap(platform: Platform) -> dict[str, Any]:
    restore = platform.configuration.postgres.restore
    if restore:
        target = {"recoveryTarget": {"targetTime": restore.target_time}} if restore.target_time else {}
        return {"recovery": {"source": "origin", **target}}
    return {
        "initdb": {
            "database": "platform",
            "owner": "dcoder_provisioner",
            "secret": {"name": "postgres-provisioner"},
            "encoding": "UTF8",
            "dataChecksums": True,
            "postInitTemplateSQL": _TEMPLATE,
            "postInitSQL": _PROVISIONER,
        }
    }


def _role(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "ensure": "present",
        "login": True,
        "createdb": False,
        "createrole": False,
        "passwordSecret": {"name": f"postgres-{_dashed(name)}"},
    }


def _pooler(platform: Platform) -> Manifest:
    pooling = platform.configuration.postgres.pooling
    resources = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}
    container = {"name": "pgbouncer", "image": platform.image("pgbouncer"), "resources": resources}
    return _labelled(
        _API,
        "Pooler",
        "platform-pooler",
        DATA,
        spec={
            "cluster": {"name": CLUSTER},
            "type": "rw",
            "instances": pooling.instances,
            "pgbouncer": {
                "poolMode": pooling.mode,
                "parameters": {
                    "max_client_conn": str(pooling.clients),
                    "default_pool_size": str(pooling.per_database),
                    # Functions prepare statements; PgBouncer keeps track of them in transaction mode.
                    "max_prepared_statements": "200",
                    "server_idle_timeout": "60",
                    "query_wait_timeout": "15",
                    "ignore_startup_parameters": "extra_float_digits,jit",
                },
            },
            "template": {"metadata": {"labels": _LABELS}, "spec": {"containers": [container]}},
        },
    )


def _database(name: str) -> Manifest:
    owner = _OWNERS.get(name, name)
    return _labelled(
        _API,
        "Database",
        _dashed(name),
        DATA,
        spec={"name": name, "owner": owner, "cluster": {"name": CLUSTER}, "databaseReclaimPolicy": "retain"},
    )


def _login(name: str, role: str, password: str) -> Manifest:
    texts = {"username": role, "password": f"{{{{ {password} }}}}"}
    return secret(name, DATA, texts, room=ROOM, kind="kubernetes.io/basic-auth", **{"cnpg.io/reload": "true"})


def _volume(storage: Any, platform: Platform) -> dict[str, Any]:
    chosen = storage.storage_class or platform.configuration.cluster.storage_class
    return {"size": storage.size, **({"storageClass": chosen} if chosen else {})}


def _scrape(labels: dict[str, str]) -> dict[str, Any]:
    return {"spec": {"selector": {"matchLabels": labels}, "podMetricsEndpoints": [{"port": "metrics"}]}}


def _labelled(api_version: str, kind: str, name: str, namespace: str, **body: Any) -> Manifest:
    return manifest(api_version, kind, name, namespace=namespace, labels=_LABELS, **body)


def _dashed(name: str) -> str:
    return name.replace("_", "-")
