from pathlib import Path

import pytest
import yaml

from functions.kit.catalogue import Catalogue, load_catalogue

FUNCTIONS = {
    "gateway-chat": {"host": "llm", "routes": "POST /v1/chat/completions", "stream": "true", "timeout": "600"},
    "platform-tenants": {
        "routes": "GET /v1/tenants\nPOST /v1/tenants\nGET /v1/tenants/{tenantId}",
        "body-limit": "64Ki",
    },
    "platform-me": {"routes": "GET /v1/tenants/me\nDELETE /v1/tenants/{tenantId}"},
    "platform-sign_in": {"routes": "POST /v1/auth/login"},
    "knowledge-files": {"routes": "GET /v1/files/{path:path}\nPUT /v1/files/{fileId}/content", "body-limit": "1Gi"},
    "integrations-hooks": {"routes": "POST /v1/hooks/{hookId}", "public": "true"},
}


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    for name, annotations in FUNCTIONS.items():
        context, folder = name.split("-", 1)
        path = tmp_path / context / folder
        path.mkdir(parents=True)
        notes = {f"dcoder.dev/{key}": value for key, value in {"kind": "http", **annotations}.items()}
        document = {"name": name.replace("_", "-"), "runtime": "python", "deploy": {"annotations": notes}}
        (path / "func.yaml").write_text(yaml.safe_dump(document))
    event = tmp_path / "platform" / "mirror"
    event.mkdir()
    subscriptions = [{"source": "dcoder", "filters": {"type": "quota.updated"}}]
    deploy = {"annotations": {"dcoder.dev/kind": "event"}, "subscriptions": subscriptions}
    (event / "func.yaml").write_text(yaml.safe_dump({"name": "platform-mirror", "runtime": "python", "deploy": deploy}))
    return load_catalogue(tmp_path)
