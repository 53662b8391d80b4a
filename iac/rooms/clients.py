"""What people look at: two Open WebUIs and two dashboards."""

from collections.abc import Iterator

from iac.configuration.applications import Application, Chat
from iac.manifests import Manifest, manifest, secret
from iac.stack import CLIENTS, EDGE_URL, OBSERVABILITY, Platform, database_url, inside
from iac.workloads import Container, Workload, http_probe

ROOM = "open-webui"
_DASHBOARDS = "dashboards"
# Doc chat asks the platform's grounded answers, code chat its agents.
_CHATS = {"doc-chat": ("docs", f"{EDGE_URL}/knowledge/v1"), "code-chat": ("code", f"{EDGE_URL}/agents/v1")}


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    clients = platform.configuration.clients
    yield from _chat("doc-chat", "docChat", clients.doc_chat, platform)
    yield from _chat("code-chat", "codeChat", clients.code_chat, platform)
    yield from _dashboard("admin", clients.admin, platform)
    yield from _dashboard("deloitte", clients.deloitte, platform)


def _chat(name: str, key: str, chat: Chat, platform: Platform) -> Iterator[Manifest]:
    host, models = _CHATS[name]
    database = name.replace("-", "_")
    texts = {
        "DATABASE_URL": database_url(database, f"{key}Database"),
        "WEBUI_SECRET_KEY": f"{{{{ {key}Sessions }}}}",
        # Signs who asks: nobody else can say it is a chat's user.
        "FORWARD_USER_INFO_HEADER_JWT_SECRET": "{{ chatUsers }}",
    }
    if platform.configuration.secrets.has(f"{key}ClientSecret"):
        texts["OAUTH_CLIENT_SECRET"] = f"{{{{ {key}ClientSecret }}}}"
    if platform.configuration.secrets.has(f"{key}ApiKey"):
        texts["OPENAI_API_KEYS"] = f"{{{{ {key}ApiKey }}}}"
    yield secret(name, CLIENTS, texts, room=ROOM)
    chosen = platform.storage_class(chat.storage.storage_class)
    volume = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": chat.storage.size}}, **chosen}
    yield manifest(
        "v1", "PersistentVolumeClaim", name, namespace=CLIENTS, labels={"dcoder.dev/room": ROOM}, spec=volume
    )
    container = Container(
        name="open-webui",
        image=platform.image("open-webui"),
        resources=chat.resources,
        ports={"http": 8080},
        env={
            "WEBUI_NAME": chat.name,
            "WEBUI_URL": platform.public(host),
            "OPENAI_API_BASE_URLS": models,
            "ENABLE_OLLAMA_API": "false",
            "ENABLE_FORWARD_USER_INFO_HEADERS": "true",
            "ENABLE_PERSISTENT_CONFIG": "false",
            "ENABLE_LOGIN_FORM": "false",
            "ENABLE_OAUTH_SIGNUP": "true",
            "ENABLE_OAUTH_ROLE_MANAGEMENT": "true",
            "OAUTH_CLIENT_ID": f"dcoder-{name}",
            "OAUTH_SCOPES": "openid profile email",
            "OPENID_PROVIDER_URL": f"{platform.public('auth')}/oidc/.well-known/openid-configuration",
            "ANONYMIZED_TELEMETRY": "false",
            "OFFLINE_MODE": "true",
            "HOME": "/tmp",  # noqa: S108
        },
        env_from=(name,),
        live=http_probe("/health", 8080, seconds=15, failures=4),
        ready=http_probe("/health", 8080),
        startup=http_probe("/health", 8080, seconds=5, failures=120),
        writable=("/tmp", "/app/backend/open_webui/static"),  # noqa: S108
        mounts={"/app/backend/data": "data"},
    )
    yield from Workload(
        name=name,
        namespace=CLIENTS,
        room=ROOM,
        containers=(container,),
        replicas=chat.replicas,
        volumes=({"name": "data", "persistentVolumeClaim": {"claimName": name}},),
        service={"http": (8080, "http")},
        recreate=True,
    ).deployment()


def _dashboard(name: str, application: Application, platform: Platform) -> Iterator[Manifest]:
    full = f"{name}-dashboard"
    container = Container(
        name="dashboard",
        image=platform.image(name),
        resources=application.resources,
        ports={"http": 3000},
        env={
            "PORT": "3000",
            "DCODER_EDGE_URL": EDGE_URL,
            "DCODER_PUBLIC_URL": platform.public("api"),
            # The operators' dashboard shows their figures and logs, too.
            **({} if name == "admin" else _OPERATORS),
        },
        live=http_probe("/", 3000, seconds=15, failures=4),
        ready=http_probe("/", 3000),
        writable=("/tmp", "/app/.next/cache"),  # noqa: S108
    )
    yield from Workload(
        name=full,
        namespace=CLIENTS,
        room=_DASHBOARDS,
        containers=(container,),
        replicas=application.replicas,
        service={"http": (3000, "http")},
    ).deployment()


_OPERATORS = {
    "DCODER_PROMETHEUS_URL": inside("prometheus-operated", OBSERVABILITY, 9090),
    "DCODER_LOKI_URL": inside("loki", OBSERVABILITY, 3100),
    "DCODER_GRAFANA_URL": inside("grafana", OBSERVABILITY, 3000),
}
