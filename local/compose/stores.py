"""What remembers: Postgres with its pooler and backups, Redis twice, NATS, objects."""

from collections.abc import Iterator

from local.compose.images import image
from local.compose.service import HEALTHY, Port, Service, Size, shell, with_secrets

# Databases of servers that are not ours, by the role that owns them; config/postgres/create.sh makes both.
OTHERS = {
    "agenta": ("agenta_oss_core", "agenta_oss_tracing", "agenta_oss_supertokens"),
    "flagsmith": ("flagsmith",),
    "langfuse": ("langfuse",),
    "logto": ("logto",),
    "mlflow": ("mlflow",),
    "temporal": ("temporal", "temporal_visibility"),
}
_REDIS = 'redis-cli -a "$(cat /run/secrets/{})" --no-auth-warning ping | grep -q PONG'


def store_services() -> Iterator[Service]:
    """All of them."""
    yield from _postgres()
    yield from _redis()
    yield from _nats()
    yield from _objects()


def _postgres() -> Iterator[Service]:
    passwords = tuple(f"postgres_{name}_password" for name in OTHERS)
    yield Service(
        name="postgres",
        image=image("postgres"),
        # The server refuses a key that others may read, and reads it as its own user.
        entrypoint=(
            *shell(
                "install -d -o postgres -g postgres -m 700 /tls",
                # Whose names `platform-backup-check` looks at; what it holds is encrypted.
                "install -d -o postgres -g postgres -m 755 /archive",
                "install -o postgres -g postgres -m 600 /run/secrets/postgres_tls_key /tls/server.key",
                "install -o postgres -g postgres -m 644 /run/secrets/postgres_tls_certificate /tls/server.crt",
                "chown postgres:postgres /archive",
                'exec docker-entrypoint.sh postgres "$@"',
            ),
            "postgres",
        ),
        command=tuple(
            part
            for setting in (
                "ssl=on",
                "ssl_cert_file=/tls/server.crt",
                "ssl_key_file=/tls/server.key",
                "max_connections=400",
                "shared_buffers=512MB",
                "wal_level=replica",
                "archive_mode=on",
                "archive_timeout=300",
                "archive_command=sh /scripts/archive.sh %p %f",
                "log_min_duration_statement=500",
                "log_lock_waits=on",
                "password_encryption=scram-sha-256",
            )
            for part in ("-c", setting)
        ),
        environment={
            "POSTGRES_PASSWORD_FILE": "/run/secrets/postgres_password",
            "POSTGRES_INITDB_ARGS": "--data-checksums --locale-provider=builtin --locale=C.UTF-8",
            "OTHERS": " ".join(f"{role}:{','.join(names)}" for role, names in OTHERS.items()),
        },
        secrets=(
            "postgres_password",
            "provisioner_password",
            "pgbouncer_password",
            "backup_key",
            "postgres_tls_key",
            "postgres_tls_certificate",
            *passwords,
        ),
        volumes=(
            "postgres:/var/lib/postgresql",
            "postgres-archive:/archive",
            "./config/postgres/create.sh:/docker-entrypoint-initdb.d/create.sh:ro",
            "./config/postgres:/scripts:ro",
        ),
        networks=("data",),
        # Ready only when it listens on the network: while databases are made the server listens on its socket alone.
        health=("CMD", "pg_isready", "-h", "127.0.0.1", "-U", "postgres"),
        ports=(Port(5432, 5432),),
        size=Size(2048, 512, 2.0),
        grace_seconds=120,
        start_seconds=60,
    )
    yield Service(
        name="pgbouncer",
        image=image("pgbouncer"),
        entrypoint=shell(
            'printf \'"pgbouncer" "%s"\\n\' "$(cat /run/secrets/pgbouncer_password)" > /tmp/users.txt',
            "exec pgbouncer /scripts/pgbouncer.ini",
        ),
        secrets=("pgbouncer_password", "postgres_tls_key", "postgres_tls_certificate"),
        volumes=("./config/postgres:/scripts:ro",),
        networks=("data",),
        after={"postgres": HEALTHY},
        health=("CMD-SHELL", "pg_isready -h 127.0.0.1 -p 6432"),
        ports=(Port(6432, 6432),),
        size=Size(128, 32),
    )
    yield Service(
        name="postgres-backups",
        image=image("postgres"),
        entrypoint=shell("exec sh /scripts/backups.sh"),
        environment={"PGHOST": "postgres", "PGUSER": "postgres", "KEEP_DAYS": "30", "HOUR_UTC": "01"},
        secrets=("postgres_password", "backup_key"),
        volumes=("postgres-archive:/archive", "./config/postgres:/scripts:ro"),
        networks=("data",),
        after={"postgres": HEALTHY},
        # A day and two hours: the last backup is no older than the next should be.
        health=("CMD-SHELL", "test -n \"$(find /archive/base -name '*.enc' -mmin -1560 | head -1)\""),
        start_seconds=600,
        size=Size(512, 64),
        user="postgres",
    )
    yield Service(
        name="postgres-exporter",
        image=image("postgres-exporter"),
        environment={
            "DATA_SOURCE_URI": "postgres:5432/postgres?sslmode=require",
            "DATA_SOURCE_USER": "postgres",
            "DATA_SOURCE_PASS_FILE": "/run/secrets/postgres_password",
        },
        secrets=("postgres_password",),
        networks=("data", "telemetry"),
        after={"postgres": HEALTHY},
        health=("CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9187/-/healthy"),
        size=Size(128, 32),
    )


def _redis() -> Iterator[Service]:
    # Of `redis` nothing is evicted: a counter that vanished would be a wrong bill. Answers have a limit of their own,
    # each tenant's `cacheMaxBytes`. Queues are an instance of their own, so that neither starves the other.
    for name, secret, memory, port in (
        ("redis", "redis_password", 1024, 6379),
        ("redis-queue", "redis_queue_password", 512, 6380),
    ):
        yield Service(
            name=name,
            image=image("redis"),
            entrypoint=shell(
                f'exec docker-entrypoint.sh redis-server --requirepass "$(cat /run/secrets/{secret})" --appendonly yes '
                "--appendfsync everysec --auto-aof-rewrite-min-size 256mb --save 900 1 --save 300 1000 "
                f"--lazyfree-lazy-expire yes --maxmemory {memory}mb --maxmemory-policy noeviction"
            ),
            secrets=(secret,),
            volumes=(f"{name}:/data",),
            networks=("data",),
            health=("CMD-SHELL", _REDIS.format(secret)),
            ports=(Port(port, 6379),),
            size=Size(memory * 3 // 2, 64),
            grace_seconds=30,
        )
    yield Service(
        name="redis-exporter",
        image=image("redis-exporter"),
        entrypoint=with_secrets({"REDIS_PASSWORD": "redis_password"}, "/redis_exporter"),
        environment={"REDIS_ADDR": "redis://redis:6379"},
        secrets=("redis_password",),
        networks=("data", "telemetry"),
        after={"redis": HEALTHY},
        health=("CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9121/health"),
        size=Size(64, 16),
    )


def _nats() -> Iterator[Service]:
    yield Service(
        name="nats",
        image=image("nats"),
        entrypoint=with_secrets({"NATS_PASSWORD": "nats_password"}, "nats-server -c /config/nats.conf"),
        secrets=("nats_password",),
        volumes=("nats:/data", "./config/nats.conf:/config/nats.conf:ro"),
        networks=("data",),
        health=("CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8222/healthz"),
        ports=(Port(4222, 4222), Port(8222, 8222)),
        size=Size(1024, 128),
        grace_seconds=30,
    )
    yield Service(
        name="nats-exporter",
        image=image("nats-exporter"),
        command=("-varz", "-connz", "-jsz=all", "http://nats:8222"),
        networks=("data", "telemetry"),
        after={"nats": HEALTHY},
        unchecked="the image has neither a shell nor a probe of its own",
        size=Size(64, 16),
    )


def _objects() -> Iterator[Service]:
    yield Service(
        name="minio",
        image=image("minio"),
        command=("server", "/data", "--console-address", ":9001"),
        environment={
            "MINIO_ROOT_USER": "dcoder",
            "MINIO_ROOT_PASSWORD_FILE": "/run/secrets/minio_root_password",
            # Everything is encrypted at rest with this key, whether a client asks for it or not.
            "MINIO_KMS_SECRET_KEY_FILE": "/run/secrets/minio_kms_key",
            "MINIO_KMS_AUTO_ENCRYPTION": "on",
            "MINIO_PROMETHEUS_AUTH_TYPE": "public",
        },
        secrets=("minio_root_password", "minio_kms_key"),
        volumes=("minio:/data",),
        networks=("data", "telemetry"),
        health=("CMD", "mc", "ready", "local"),
        ports=(Port(9000, 9000), Port(9001, 9001)),
        size=Size(1024, 256),
        grace_seconds=30,
    )
    yield Service(
        name="minio-users",
        image=image("minio-client"),
        entrypoint=shell("exec sh /scripts/users.sh"),
        secrets=(
            "minio_root_password",
            "dcoder_s3_access_key",
            "dcoder_s3_secret_key",
            "minio_langfuse_password",
            "minio_mlflow_password",
        ),
        volumes=("./config/minio:/scripts:ro",),
        networks=("data",),
        after={"buckets": "service_completed_successfully"},
        size=Size(128, 32),
        job=True,
    )
