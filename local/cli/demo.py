"""The demo tenant: made through the API like any other, with the simulator as its provider."""

import json
from dataclasses import dataclass

from local.cli.errors import CommandError
from local.cli.http import call
from local.cli.tokens import find_tenant, issue_token
from local.embedded.stack import Stack
from local.paths import Home, write_private

SLUG = "demo"
_NAME = "Demo"


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """The demo tenant and its key."""

    id: str
    slug: str
    key: str
    created: bool


def seed(home: Home, stack: Stack) -> DemoTenant:
    """Make the demo tenant, or find the one made before.

    Raises:
        CommandError: the API refuses, or the tenant exists and its key, which is shown once, is not known here.
    """
    token = issue_token(stack)
    edge = f"http://{stack.ports.address('edge')}"
    remembered = home.root / "demo-tenant.json"
    tenant = (
        _known(json.loads(remembered.read_text()), find_tenant(stack, SLUG, token)) if remembered.exists() else None
    )
    if tenant is None:
        answer = call("POST", f"{edge}/v1/tenants", token=token, document={"name": _NAME, "slug": SLUG})
        if answer.status == 409:
            raise CommandError(f"tenant {SLUG!r} exists and its key is not known here; `dcoder up --fresh` starts anew")
        if answer.status != 201:
            raise CommandError(f"the tenant cannot be made: {answer.trouble}")
        tenant = DemoTenant(answer.body["id"], SLUG, answer.body["apiKey"]["secret"], created=True)
        write_private(remembered, json.dumps({"id": tenant.id, "key": tenant.key}))
    providers = {"providers": [_simulator(stack)]}
    answer = call("PUT", f"{edge}/v1/tenants/{tenant.id}/providers", token=token, document=providers)
    if answer.status not in {200, 204}:
        raise CommandError(f"the provider cannot be set: {answer.trouble}")
    return tenant


def _known(remembered: dict[str, str], found: str | None) -> DemoTenant | None:
    if found != remembered["id"]:
        return None
    return DemoTenant(found, SLUG, remembered["key"], created=False)


def _simulator(stack: Stack) -> dict[str, str]:
    return {
        "name": "openai",
        "kind": "openai",
        "apiKey": "sk-simulator-demo",
        "baseUrl": f"http://{stack.ports.address('simulator')}/openai/v1",
        "embeddingModel": "text-embedding-3-small",
    }
