"""Servers of others that the platform works with: identity, flags, workflows, LLMOps, chats."""

from collections.abc import Iterator
from typing import Any

from local.compose.images import image
from local.compose.service import DONE, EVERYWHERE, HEALTHY, STARTED, Port, Service, Size, shell, with_secrets

_LOGTO_URL = "${DCODER_LOGTO_URL:-http://logto.localhost:3004}"
_POSTGRES = "postgres:5432"
_NODE_PROBE = "fetch('http://127.0.0.1:{}').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"
_PYTHON_PROBE = "import urllib.request as u; u.urlopen('http://127.0.0.1:{}', timeout=4)"


def other_services() -> Iterator[Service]:
    """All of them."""
    yield from _identity()
    yield from _workflows()
    yield from _langfuse()
    yield from _agenta()
    yield _mlflow()
    # Doc chat asks for grounded answers, code chat the code assistant.
    yield _chat("doc-chat", 3000, "http://kong:8000/knowledge/v1")
    yield _chat("code-chat", 3001, "http://kong:8000/agents/v1")


def _identity() -> Iterator[Service]:
    yield Service(
        name="logto",
        image=image("logto"),
        entrypoint=with_secrets(
            {"DB_URL": f"postgres://logto:{{postgres_logto_password}}@{_POSTGRES}/logto"},
            "sh -c 'npm run cli db seed -- --swe && npm run alteration deploy latest && npm start'",
        ),
        environment={
            "PORT": "3004",
            "ADMIN_PORT": "3005",
            "ENDPOINT": _LOGTO_URL,
            "ADMIN_ENDPOINT": "${DCODER_LOGTO_CONSOLE_URL:-http://localhost:3005}",
            "TRUST_PROXY_HEADER": "1",
            "CI": "true",
        },
        secrets=("postgres_logto_password",),
        networks=("edge", "app", "data"),
        # One name that leads here for browsers on this machine and for containers: tokens name it as their issuer.
        aliases={"app": ("logto.localhost",)},
        after={"postgres": HEALTHY},
        health=("CMD", "node", "-e", _NODE_PROBE.format("3004/api/status")),
        ports=(Port(3004, 3004, public=True), Port(3005, 3005, public=True)),
        size=Size(1024, 256),
        start_seconds=120,
    )
    flagsmith = {
        "DJANGO_ALLOWED_HOSTS": "${FLAGSMITH_HOSTS:-localhost,flagsmith}",
        "FLAGSMITH_DOMAIN": "${FLAGSMITH_DOMAIN:-localhost:8010}",
        "ENV": "prod",
        "PREVENT_SIGNUP": "true",
        "TELEMETRY_DISABLED": "true",
        "USE_POSTGRES_FOR_ANALYTICS": "true",
        "TASK_RUN_METHOD": "TASK_PROCESSOR",
    }
    secrets = {
        "DATABASE_URL": f"postgresql://flagsmith:{{postgres_flagsmith_password}}@{_POSTGRES}/flagsmith",
        "DJANGO_SECRET_KEY": "flagsmith_secret_key",
    }
    for name, mode in (("flagsmith", "migrate-and-serve"), ("flagsmith-tasks", "run-task-processor")):
        yield Service(
            name=name,
            image=image("flagsmith"),
            entrypoint=with_secrets(secrets, f"/app/scripts/run-docker.sh {mode}"),
            environment=flagsmith,
            secrets=("postgres_flagsmith_password", "flagsmith_secret_key"),
            networks=("app", "data"),
            after={"postgres": HEALTHY} if name == "flagsmith" else {"flagsmith": HEALTHY},
            health=("CMD", "python", "-c", _PYTHON_PROBE.format("8000/health/liveness")),
            ports=(Port(8010, 8000),) if name == "flagsmith" else (),
            size=Size(1024, 256),
            start_seconds=120,
        )


def _workflows() -> Iterator[Service]:
    sql = "temporal-sql-tool --plugin postgres12 --ep postgres -p 5432 -u temporal"
    schema = "/etc/temporal/schema/postgresql/v12"
    yield Service(
        name="temporal-schema",
        image=image("temporal-tools"),
        entrypoint=shell(
            'export SQL_PASSWORD="$(cat /run/secrets/postgres_temporal_password)"',
            *(
                f"{sql} --db {database} setup-schema -v 0.0 || true\n"
                f"{sql} --db {database} update-schema -d {schema}/{folder}/versioned"
                for database, folder in (("temporal", "temporal"), ("temporal_visibility", "visibility"))
            ),
        ),
        secrets=("postgres_temporal_password",),
        networks=("data",),
        after={"postgres": HEALTHY},
        size=Size(128, 32),
        job=True,
    )
    yield Service(
        name="temporal",
        image=image("temporal"),
        entrypoint=with_secrets({"POSTGRES_PWD": "postgres_temporal_password"}, "/etc/temporal/entrypoint.sh"),
        environment={
            "DB": "postgres12",
            "DB_PORT": "5432",
            "POSTGRES_USER": "temporal",
            "POSTGRES_SEEDS": "postgres",
            "BIND_ON_IP": EVERYWHERE,
            "NUM_HISTORY_SHARDS": "512",
            "PROMETHEUS_ENDPOINT": f"{EVERYWHERE}:9090",
            "DYNAMIC_CONFIG_FILE_PATH": "/dcoder/dynamicconfig.yaml",
        },
        secrets=("postgres_temporal_password",),
        volumes=("../../stateful/temporal/dynamicconfig.yaml:/dcoder/dynamicconfig.yaml:ro",),
        networks=("app", "data", "telemetry"),
        after={"temporal-schema": DONE},
        health=("CMD", "nc", "-z", "127.0.0.1", "7233"),
        ports=(Port(7233, 7233),),
        size=Size(1024, 256),
        start_seconds=60,
    )
    yield Service(
        name="temporal-ui",
        image=image("temporal-ui"),
        environment={"TEMPORAL_ADDRESS": "temporal:7233", "TEMPORAL_UI_PORT": "8080"},
        networks=("app",),
        after={"temporal": HEALTHY},
        health=("CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/healthz"),
        ports=(Port(8233, 8080),),
        size=Size(256, 64),
    )


def _langfuse() -> Iterator[Service]:
    variables = {
        "DATABASE_URL": f"postgresql://langfuse:{{postgres_langfuse_password}}@{_POSTGRES}/langfuse",
        "SALT": "langfuse_salt",
        "ENCRYPTION_KEY": "langfuse_encryption_key",
        "CLICKHOUSE_PASSWORD": "clickhouse_password",
        "REDIS_AUTH": "redis_queue_password",
        "LANGFUSE_S3_EVENT_UPLOAD_SECRET_ACCESS_KEY": "minio_langfuse_password",
        "LANGFUSE_S3_MEDIA_UPLOAD_SECRET_ACCESS_KEY": "minio_langfuse_password",
    }
    secrets = (
        "postgres_langfuse_password",
        "langfuse_salt",
        "langfuse_encryption_key",
        "clickhouse_password",
        "redis_queue_password",
        "minio_langfuse_password",
    )
    environment = {
        "TELEMETRY_ENABLED": "false",
        "CLICKHOUSE_URL": "http://clickhouse:8123",
        "CLICKHOUSE_MIGRATION_URL": "clickhouse://clickhouse:9000",
        "CLICKHOUSE_USER": "langfuse",
        "CLICKHOUSE_CLUSTER_ENABLED": "false",
        "REDIS_HOST": "redis-queue",
        "REDIS_PORT": "6379",
    }
    for kind in ("EVENT", "MEDIA"):
        environment |= {
            f"LANGFUSE_S3_{kind}_UPLOAD_BUCKET": "langfuse",
            f"LANGFUSE_S3_{kind}_UPLOAD_REGION": "us-east-1",
            f"LANGFUSE_S3_{kind}_UPLOAD_ENDPOINT": "http://minio:9000",
            f"LANGFUSE_S3_{kind}_UPLOAD_ACCESS_KEY_ID": "langfuse",
            f"LANGFUSE_S3_{kind}_UPLOAD_FORCE_PATH_STYLE": "true",
            f"LANGFUSE_S3_{kind}_UPLOAD_PREFIX": f"{kind.lower()}/",
        }
    after = {"postgres": HEALTHY, "clickhouse": HEALTHY, "redis-queue": HEALTHY, "minio-users": DONE}
    yield Service(
        name="clickhouse",
        image=image("clickhouse"),
        entrypoint=with_secrets({"CLICKHOUSE_PASSWORD": "clickhouse_password"}, "/entrypoint.sh"),
        environment={"CLICKHOUSE_DB": "default", "CLICKHOUSE_USER": "langfuse"},
        secrets=("clickhouse_password",),
        volumes=("clickhouse:/var/lib/clickhouse",),
        networks=("telemetry",),
        health=("CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8123/ping"),
        user="101:101",
        size=Size(4096, 512, 2.0),
        grace_seconds=60,
    )
    common: dict[str, Any] = {"networks": ("telemetry", "data"), "size": Size(1536, 256), "start_seconds": 120}
    yield Service(
        name="langfuse",
        image=image("langfuse"),
        entrypoint=with_secrets(
            {
                **variables,
                "NEXTAUTH_SECRET": "langfuse_session_secret",
                "LANGFUSE_INIT_PROJECT_PUBLIC_KEY": "dcoder_langfuse_public_key",
                "LANGFUSE_INIT_PROJECT_SECRET_KEY": "dcoder_langfuse_secret_key",
                "LANGFUSE_INIT_USER_PASSWORD": "langfuse_admin_password",
            },
            "dumb-init -- ./web/entrypoint.sh node ./web/server.js --keepAliveTimeout 110000",
        ),
        environment={
            **environment,
            "NEXTAUTH_URL": "${LANGFUSE_URL:-http://localhost:3006}",
            "HOSTNAME": EVERYWHERE,
            "AUTH_DISABLE_SIGNUP": "true",
            "LANGFUSE_INIT_ORG_ID": "dcoder",
            "LANGFUSE_INIT_PROJECT_ID": "dcoder",
            "LANGFUSE_INIT_USER_EMAIL": "${LANGFUSE_ADMIN_EMAIL:-admin@dcoder.local}",
        },
        secrets=(
            *secrets,
            "langfuse_session_secret",
            "langfuse_admin_password",
            "dcoder_langfuse_public_key",
            "dcoder_langfuse_secret_key",
        ),
        after=after,
        health=("CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:3000/api/public/health"),
        ports=(Port(3006, 3000),),
        **common,
    )
    yield Service(
        name="langfuse-worker",
        image=image("langfuse-worker"),
        entrypoint=with_secrets(variables, "dumb-init -- ./worker/entrypoint.sh node worker/dist/index.js"),
        environment={**environment, "HOSTNAME": EVERYWHERE},
        secrets=secrets,
        after={**after, "langfuse": HEALTHY},
        health=("CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:3030/api/health"),
        **common,
    )


def _agenta() -> Iterator[Service]:
    address = f"agenta:{{postgres_agenta_password}}@{_POSTGRES}"
    variables = {
        "POSTGRES_URI_CORE": f"postgresql+asyncpg://{address}/agenta_oss_core",
        "POSTGRES_URI_TRACING": f"postgresql+asyncpg://{address}/agenta_oss_tracing",
        "POSTGRES_URI_SUPERTOKENS": f"postgresql://{address}/agenta_oss_supertokens",
        "AGENTA_AUTH_KEY": "agenta_auth_key",
        "AGENTA_CRYPT_KEY": "agenta_crypt_key",
        "REDIS_URI_DURABLE": "redis://:{redis_queue_password}@redis-queue:6379/5",
        "REDIS_URI_VOLATILE": "redis://:{redis_queue_password}@redis-queue:6379/6",
    }
    secrets = ("postgres_agenta_password", "agenta_auth_key", "agenta_crypt_key", "redis_queue_password")
    url = "${AGENTA_URL:-http://localhost:8081}"
    environment = {
        "AGENTA_LICENSE": "oss",
        "AGENTA_WEB_URL": url,
        "AGENTA_API_URL": f"{url}/api",
        "AGENTA_SERVICES_URL": f"{url}/services",
        "AGENTA_API_INTERNAL_URL": "http://agenta-api:8000",
        "SUPERTOKENS_URI_CORE": "http://supertokens:3567",
    }
    gunicorn = "gunicorn {} --bind 0.0.0.0:{} --worker-class uvicorn.workers.UvicornWorker --workers 2 --timeout 60"
    api = gunicorn.format("entrypoints.routers:app", 8000)
    programs = (
        ("agenta-migrate", "agenta-api", "python -m oss.databases.postgres.migrations.runner", ""),
        ("agenta-api", "agenta-api", api, "8000/api/health"),
        ("agenta-streams", "agenta-api", "python -m entrypoints.worker_streams", ""),
        ("agenta-queues", "agenta-api", "python -m entrypoints.worker_queues", ""),
        ("agenta-services", "agenta-services", gunicorn.format("entrypoints.main:app", 8080), "8080/services/health"),
    )
    for name, program, command, probe in programs:
        migrates = name == "agenta-migrate"
        script = {"agenta-api": "/api", "agenta-services": "/services"}.get(name)
        yield Service(
            name=name,
            image=image(program),
            entrypoint=with_secrets(variables, command),
            environment={**environment, **({"SCRIPT_NAME": script} if script else {})},
            secrets=secrets,
            networks=("llmops", "data", *(() if migrates else ("egress",))),
            after={"postgres": HEALTHY} if migrates else {"agenta-migrate": DONE, "redis-queue": HEALTHY},
            health=("CMD", "python", "-c", _PYTHON_PROBE.format(probe)) if probe else None,
            unchecked="" if probe else "it listens on no port",
            size=Size(1024, 256),
            job=migrates,
            start_seconds=120,
        )
    yield Service(
        name="supertokens",
        image=image("supertokens"),
        entrypoint=with_secrets(
            {"POSTGRESQL_CONNECTION_URI": f"postgresql://{address}/agenta_oss_supertokens"},
            "docker-entrypoint.sh supertokens start",
        ),
        secrets=("postgres_agenta_password",),
        networks=("llmops", "data"),
        after={"agenta-migrate": DONE},
        health=("CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/3567"),
        size=Size(512, 128),
    )
    yield Service(
        name="agenta-web",
        image=image("agenta-web"),
        command=("sh", "-c", "node ./oss/server.js"),
        environment=environment,
        networks=("llmops",),
        after={"agenta-api": HEALTHY},
        health=("CMD", "node", "-e", _NODE_PROBE.format("3000")),
        size=Size(512, 128),
        start_seconds=60,
    )
    yield Service(
        name="agenta",
        image=image("nginx"),
        volumes=("./config/agenta.conf:/etc/nginx/conf.d/default.conf:ro",),
        networks=("edge", "llmops"),
        after={"agenta-web": HEALTHY, "agenta-services": HEALTHY},
        health=("CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8081/"),
        ports=(Port(8081, 8081, public=True),),
        size=Size(64, 16),
    )


def _mlflow() -> Service:
    return Service(
        name="mlflow",
        image=image("mlflow"),
        entrypoint=with_secrets(
            {
                "MLFLOW_BACKEND_STORE_URI": f"postgresql://mlflow:{{postgres_mlflow_password}}@{_POSTGRES}/mlflow",
                "AWS_SECRET_ACCESS_KEY": "minio_mlflow_password",
            },
            "mlflow server --host 0.0.0.0 --port 5000 --artifacts-destination s3://mlflow-artifacts --serve-artifacts",
        ),
        environment={
            "AWS_ACCESS_KEY_ID": "mlflow",
            "MLFLOW_S3_ENDPOINT_URL": "http://minio:9000",
        },
        secrets=("postgres_mlflow_password", "minio_mlflow_password"),
        networks=("app", "data"),
        after={"postgres": HEALTHY, "minio-users": DONE},
        health=("CMD", "python", "-c", _PYTHON_PROBE.format("5000/health")),
        ports=(Port(5000, 5000),),
        size=Size(1024, 256),
        start_seconds=120,
    )


def _chat(name: str, port: int, models: str) -> Service:
    secret = f"{name.replace('-', '_')}_session_key"
    return Service(
        name=name,
        image=image("open-webui"),
        entrypoint=with_secrets(
            {"WEBUI_SECRET_KEY": secret, "FORWARD_USER_INFO_HEADER_JWT_SECRET": "chat_user_key"}, "bash start.sh"
        ),
        environment={
            "OPENAI_API_BASE_URLS": models,
            "OPENAI_API_KEYS": f"${{{name.upper().replace('-', '_')}_API_KEY:-}}",
            "ENABLE_OLLAMA_API": "false",
            "ENABLE_FORWARD_USER_INFO_HEADERS": "true",
            "ENABLE_PERSISTENT_CONFIG": "false",
            "ENABLE_OAUTH_SIGNUP": "true",
            "OAUTH_CLIENT_ID": f"${{{name.upper().replace('-', '_')}_CLIENT_ID:-}}",
            "OAUTH_CLIENT_SECRET": f"${{{name.upper().replace('-', '_')}_CLIENT_SECRET:-}}",
            "OPENID_PROVIDER_URL": f"{_LOGTO_URL}/oidc/.well-known/openid-configuration",
            "OAUTH_SCOPES": "openid profile email",
            "WEBUI_URL": f"http://localhost:{port}",
            "ANONYMIZED_TELEMETRY": "false",
            "OFFLINE_MODE": "true",
        },
        secrets=(secret, "chat_user_key"),
        volumes=(f"{name}:/app/backend/data",),
        networks=("edge", "app"),
        after={"kong": HEALTHY, "logto": STARTED},
        health=("CMD", "curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8080/health"),
        ports=(Port(port, 8080, public=True),),
        size=Size(2048, 512),
        start_seconds=180,
    )
