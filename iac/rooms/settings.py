"""What functions and the platform's own programs read: settings, secrets, key files, and privileges by grant."""

from collections.abc import Iterator, Mapping
from typing import Any

from iac.configuration.cluster import OPTIONAL_SECRETS
from iac.manifests import Manifest, SecretText, secret
from iac.stack import (
    EDGE_URL,
    FLAGS,
    FUNCTIONS,
    IDENTITY,
    KONG_ADMIN_URL,
    LLMOPS,
    NATS_HOST,
    OBJECTS_URL,
    OTLP_URL,
    POOLER_HOST,
    POSTGRES_HOST,
    REDIS_HOSTS,
    TEMPORAL_ADDRESS,
    Platform,
    inside,
)

ROOM = "settings"
SETTINGS = "platform-settings"
DISPATCHER_SETTINGS = "dispatcher-settings"
BUCKETS_SETTINGS = "objects-admin"
KEYS = "platform-keys"
KEYS_FOLDER = "/etc/dcoder/keys"
AUDIT_FOLDER = "/etc/dcoder/audit-keys"
SPOOL = "/var/lib/dcoder/spool"
WRITABLE = ("/tmp", SPOOL)  # noqa: S108 - volumes of the pod's own
_OIDC_CLIENT = "{{ oidcClientSecret }}"
KEY_MOUNTS = {KEYS_FOLDER: "keys"}

# Of the queue's Redis; other programs have theirs.
QUEUE_DATABASE = 1

# Privileged settings by the name under which a func.yaml asks for them (annotation `dcoder.dev/grants`).
GRANTS: dict[str, dict[str, str]] = {
    "database-admin": {
        "DCODER_DATABASE_ADMIN_URL": (
            f"postgresql://dcoder_provisioner:{{{{ databaseAdmin }}}}@{POSTGRES_HOST}:5432/postgres?sslmode=require"
        )
    },
    "queue": {
        "DCODER_QUEUE_URL": f"redis://:{{{{ redisQueue }}}}@{REDIS_HOSTS['queue']}:6379/{QUEUE_DATABASE}",
        # KEDA's, which asks for the length of the list.
        "DCODER_QUEUE_PASSWORD": "{{ redisQueue }}",
    },
    "kong-admin": {"DCODER_KONG_ADMIN_TOKEN": "{{ kongAdmin }}"},
    "objects": {
        "DCODER_S3_ACCESS_KEY": "{{ objectsFunctionsKey }}",
        "DCODER_S3_SECRET_KEY": "{{ objectsFunctionsSecret }}",
    },
    "audit-keys": {"audit-keys.json": "{{ auditKeys }}"},
    "flagsmith-admin": {"DCODER_FLAGSMITH_ADMIN_KEY": "{{ flagsmithAdminKey }}"},
    "flagsmith-webhook": {"DCODER_FLAGSMITH_WEBHOOK_SECRET": "{{ flagsmithWebhook }}"},
    "flags-sdk": {"DCODER_FLAGS_SDK_KEY": "{{ flagsSdkKey }}"},
    "logto-webhook": {"DCODER_LOGTO_WEBHOOK_KEY": "{{ logtoWebhookKey }}"},
}
# Settings that go with a grant and are no secret.
WITH_GRANT = {
    "kong-admin": {"DCODER_KONG_ADMIN_URL": KONG_ADMIN_URL, "DCODER_KONG_REDIS_HOST": REDIS_HOSTS["edge"]},
    "audit-keys": {"DCODER_AUDIT_KEYS_FILE": f"{AUDIT_FOLDER}/audit-keys.json"},
}


class UnknownGrant(Exception):
    """A func.yaml asks for a grant that there is not; the message names both."""


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    yield from _secrets(platform)


def settings(platform: Platform) -> dict[str, str]:
    """Settings of every function and of the platform's own programs that are no secret."""
    configuration = platform.configuration
    external = configuration.objects.external
    texts = {
        "DCODER_ENVIRONMENT": "cluster",
        "DCODER_PLATFORM_ID": f"dcoder-{configuration.environment}",
        "DCODER_EDGE_URL": EDGE_URL,
        "DCODER_PUBLIC_URL": platform.public("api"),
        "DCODER_AUTH_ORIGINS": ",".join(platform.public(name) for name in ("admin", "deloitte")),
        "DCODER_OIDC_ISSUER": f"{platform.public('auth')}/oidc",
        "DCODER_OIDC_JWKS_URL": f"{inside('logto', IDENTITY, 3001)}/oidc/jwks",
        "DCODER_OIDC_AUDIENCE": platform.public("api"),
        "DCODER_S3_ENDPOINT": external.endpoint if external else OBJECTS_URL,
        "DCODER_S3_REGION": external.region if external else "us-east-1",
        "DCODER_S3_BUCKET_PREFIX": external.bucket_prefix if external else "",
        "DCODER_S3_TENANT_ROLE": external.tenant_role if external else "user",
        "DCODER_S3_STS_ENDPOINT": (external.sts_endpoint or "") if external else "",
        "DCODER_BACKUPS": ",".join(f"backups/postgres/{server}/{server}" for server in ("platform", "kong")),
        "DCODER_OTLP_ENDPOINT": OTLP_URL,
        "DCODER_KEK_FILE": f"{KEYS_FOLDER}/kek.json",
        "DCODER_SERVICE_KEYS_FILE": f"{KEYS_FOLDER}/service-keys.json",
        "DCODER_SPOOL_DIR": SPOOL,
        "DCODER_TEMPORAL_ADDRESS": TEMPORAL_ADDRESS,
        "DCODER_LANGFUSE_URL": inside("langfuse-web", LLMOPS, 3000),
    }
    if configuration.secrets.has("flagsmithEnvironmentKey"):
        texts["DCODER_FLAGSMITH_URL"] = inside("flagsmith", FLAGS, 8000)
    texts |= {f"DCODER_{name.upper()}": value for name, value in configuration.functions.settings.items()}
    return {name: value for name, value in texts.items() if value}


def key_volume() -> dict[str, Any]:
    """The volume of key files."""
    return {"name": "keys", "secret": {"secretName": KEYS, "defaultMode": 0o444}}


def platform_settings(platform: Platform, namespace: str) -> Manifest:
    """Secret settings of every program of ours."""
    has = platform.configuration.secrets.has
    pooled = f"postgresql://dcoder_platform:{{{{ databaseFunctions }}}}@{POOLER_HOST}:5432/platform?sslmode=require"
    texts = {
        "DCODER_DATABASE_URL": pooled,
        "DCODER_REDIS_URL": f"redis://:{{{{ redisPlatform }}}}@{REDIS_HOSTS['platform']}:6379/0",
        "DCODER_NATS_URL": f"nats://dcoder:{{{{ nats }}}}@{NATS_HOST}:4222",
        "DCODER_LANGFUSE_PUBLIC_KEY": "pk-lf-{{ langfusePublic }}",
        "DCODER_LANGFUSE_SECRET_KEY": "sk-lf-{{ langfuseSecret }}",
    }
    if has("oidcClientSecret"):
        texts["DCODER_OIDC_CLIENT_SECRET"] = _OIDC_CLIENT
    if has("flagsmithEnvironmentKey"):
        texts["DCODER_FLAGSMITH_ENVIRONMENT_KEY"] = "{{ flagsmithEnvironmentKey }}"
    return secret(SETTINGS, namespace, texts, room=ROOM)


def platform_keys(namespace: str) -> Manifest:
    """Key files that every program of ours reads."""
    files = {"kek.json": "{{ keyEncryptionKeys }}", "service-keys.json": "{{ serviceKeys }}"}
    return secret(KEYS, namespace, files, room=ROOM)


def _secrets(platform: Platform) -> Iterator[Manifest]:
    yield platform_settings(platform, FUNCTIONS)
    yield platform_keys(FUNCTIONS)
    # Outboxes are listened to, which a pooler does not pass on.
    direct = f"postgresql://dcoder_platform:{{{{ databaseFunctions }}}}@{POSTGRES_HOST}:5432/platform?sslmode=require"
    yield _secret(DISPATCHER_SETTINGS, {"DCODER_DATABASE_URL": direct})
    yield _secret(BUCKETS_SETTINGS, _buckets(platform))
    wanted = {grant for function in platform.catalogue for grant in function.grants}
    for grant in sorted(wanted & set(GRANTS)):
        if is_given(grant, platform):
            yield _secret(f"grant-{grant}", _grant_texts(grant, platform))


def grant_of_objects(platform: Platform, namespace: str) -> Manifest:
    """What reads and writes the platform's own buckets."""
    return secret("grant-objects", namespace, _grant_texts("objects", platform), room=ROOM)


def _buckets(platform: Platform) -> dict[str, str]:
    """The administrator of the object store, who makes buckets."""
    if platform.configuration.objects.external:
        return _grant_texts("objects", platform)
    return {"DCODER_S3_ACCESS_KEY": "dcoder-admin", "DCODER_S3_SECRET_KEY": "{{ objectsAdmin }}"}


def _grant_texts(grant: str, platform: Platform) -> dict[str, str]:
    if grant == "objects" and platform.configuration.objects.external:
        return {
            "DCODER_S3_ACCESS_KEY": "{{ externalS3AccessKey }}",
            "DCODER_S3_SECRET_KEY": "{{ externalS3SecretKey }}",
        }
    return GRANTS[grant]


def is_given(grant: str, platform: Platform) -> bool:
    """Whether everything that a grant is made of is there: what others issue comes after the first deployment."""
    has = platform.configuration.secrets.has
    names = {name for text in _grant_texts(grant, platform).values() for name in SecretText(text).names}
    return all(has(name) for name in names if name in OPTIONAL_SECRETS and not name.startswith("externalS3"))


def _secret(name: str, texts: Mapping[str, str]) -> Manifest:
    return secret(name, FUNCTIONS, texts, room=ROOM)
