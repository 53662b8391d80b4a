"""`python -m stateful.logto.sync`: makes, corrects, says what differs, and leaves alone what is not its own."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import SecretStr

from functions.kit.errors import DependencyUnavailable
from functions.kit.settings import Settings
from stateful.logto.management import LogtoRefused
from stateful.logto.reconcile import MARK, Outcome
from stateful.logto.settings import LogtoSettings
from stateful.logto.sync import main, synchronise
from tests.integration.stateful.logto.logto_server import APP_ID, APP_SECRET, LogtoServer, logto_server

pytestmark = pytest.mark.integration
PUBLIC = "https://api.example.com"
AUDIENCE = "https://api.dcoder.local"
DASHBOARDS = {
    f"{name}_url": f"https://{name.replace('_', '-')}.example.com"
    for name in ("admin", "deloitte", "doc_chat", "code_chat")
}


@pytest.fixture
async def server() -> AsyncIterator[LogtoServer]:
    async with logto_server() as running:
        yield running


async def run(server: LogtoServer, *, secret: str = APP_SECRET, **options: Any) -> tuple[Outcome, list[str]]:
    addresses = options.pop("addresses", DASHBOARDS)
    given = LogtoSettings(endpoint=server.url, app_id=APP_ID, app_secret=SecretStr(secret), **addresses)
    return await synchronise(Settings(public_url=PUBLIC), given, **options)


async def test_an_empty_server_has_all_that_is_declared(server: LogtoServer) -> None:
    outcome, left_out = await run(server)
    assert left_out == []
    resource = server.named("resources", "D.Coder API")
    assert (resource["indicator"], resource["accessTokenTtl"]) == (AUDIENCE, 600)
    assert server.related("roles", "superadmin", "scopes") == {"platform:operate", "tenant:administer", "tenant:use"}
    assert server.related("organization-roles", "admin", "scopes") == {"members:manage"}
    assert server.related("organization-roles", "admin", "resource-scopes") == {"tenant:administer", "tenant:use"}
    assert server.related("organization-roles", "user", "resource-scopes") == {"tenant:use"}
    platform = server.named("applications", "D.Coder sign-in")
    assert platform["oidcClientMetadata"] == {
        "redirectUris": [f"{PUBLIC}/v1/auth/callback"],
        "postLogoutRedirectUris": [f"{PUBLIC}/v1/auth/signed-out"],
    }
    marks = {e["customData"].get(MARK) for e in server.tables["applications"].values()} - {None}
    assert marks == {"platform", "admin-dashboard", "deloitte-dashboard", "doc-chat", "code-chat", "automation"}
    assert server.related("applications", "D.Coder automation", "roles") == {"service"}
    assert server.experience["mfa"]["policy"] == "Mandatory"
    assert server.experience["color"] == {"primaryColor": "#5D34F2"}
    assert server.session == {"ttl": 43200}
    assert "organizations" in (server.id_token or {})["enabledExtendedClaims"]
    assert "tenant_id" in server.customizers["access-token"]["script"]
    hook = server.named("hooks", "D.Coder lifecycle")
    assert hook["config"]["url"] == f"{PUBLIC}/v1/webhooks/logto"
    assert outcome.secrets == {
        "DCODER_OIDC_CLIENT_ID": platform["id"],
        "DCODER_OIDC_CLIENT_SECRET": server.secrets[platform["id"]][0]["value"],
        "DCODER_LOGTO_WEBHOOK_KEY": hook["signingKey"],
    }


async def test_a_second_run_writes_nothing(server: LogtoServer) -> None:
    first, _ = await run(server)
    written = list(server.writes)
    second, _ = await run(server)
    assert (second.changes, server.writes) == ([], written)
    assert second.secrets == first.secrets


async def test_a_dry_run_says_what_the_run_will_do_and_writes_nothing(server: LogtoServer) -> None:
    said, _ = await run(server, dry_run=True)
    assert server.writes == []
    done, _ = await run(server)
    assert [(c.action, c.kind, c.name) for c in said.changes] == [(c.action, c.kind, c.name) for c in done.changes]
    assert (await run(server, dry_run=True))[0].changes == []


def _lose_a_scope(server: LogtoServer) -> None:
    server.relations[server.named("organization-roles", "admin")["id"], "resource-scopes"].clear()


def _gain_a_scope(server: LogtoServer) -> None:
    scope = server.named("scopes", "platform:operate")["id"]
    server.relations[server.named("organization-roles", "user")["id"], "resource-scopes"].add(scope)


def _redirect_elsewhere(server: LogtoServer) -> None:
    server.named("applications", "D.Coder sign-in")["oidcClientMetadata"]["redirectUris"] = ["https://evil.example/"]


def _rename_application(server: LogtoServer) -> None:
    server.named("applications", "D.Coder sign-in")["name"] = "Renamed by hand"


def _weaken_mfa(server: LogtoServer) -> None:
    server.experience["mfa"] = {**server.experience["mfa"], "policy": "NoPrompt"}


def _empty_script(server: LogtoServer) -> None:
    server.customizers["access-token"] = {"script": "const getCustomJwtClaims = async () => ({});"}


def _silence_webhook(server: LogtoServer) -> None:
    server.named("hooks", "D.Coder lifecycle")["enabled"] = False


def _lengthen_tokens(server: LogtoServer) -> None:
    server.named("resources", "D.Coder API")["accessTokenTtl"] = 86_400


@pytest.mark.parametrize(
    "damage",
    [
        _lose_a_scope, _gain_a_scope, _redirect_elsewhere, _rename_application, _weaken_mfa, _empty_script,
        _silence_webhook, _lengthen_tokens,
    ],
)  # fmt: skip
async def test_what_was_changed_by_hand_is_put_right_and_said(
    server: LogtoServer, damage: Callable[[LogtoServer], None]
) -> None:
    await run(server)
    before = (server.tables, server.relations, server.experience, server.customizers)
    expected = str(before)
    damage(server)
    outcome, _ = await run(server)
    (change,) = outcome.changes
    assert change.action == "update"
    assert change.different
    assert str((server.tables, server.relations, server.experience, server.customizers)) == expected
    assert (await run(server))[0].changes == []


async def test_what_others_have_made_stays(server: LogtoServer) -> None:
    await run(server)
    server.add("organization-scopes", name="theirs", description="")
    server.add("hooks", name="Theirs", events=["User.Created"], config={"url": "https://x.example"}, enabled=True)
    application = server.named("applications", "D.Coder sign-in")
    application["customData"]["theirs"] = 1
    application["customClientMetadata"]["idTokenTtl"] = 60
    before = str(server.tables)
    for prune in (False, True):
        outcome, _ = await run(server, prune=prune)
        assert outcome.changes == []
        assert {"application Somebody's", "organization scope theirs"} <= set(outcome.strangers)
    assert str(server.tables) == before


async def test_what_is_no_longer_declared_goes_only_when_told(server: LogtoServer) -> None:
    await run(server)
    server.add("scopes", name="old:scope", description="", resourceId=server.named("resources", "D.Coder API")["id"])
    addresses = {**DASHBOARDS, "code_chat_url": ""}
    outcome, left_out = await run(server, addresses=addresses)
    assert left_out == ["code-chat"]
    assert outcome.changes == []
    assert {"application code-chat", "scope old:scope"} <= set(outcome.strangers)
    outcome, _ = await run(server, addresses=addresses, prune=True)
    assert {(c.action, c.name) for c in outcome.changes} == {("delete", "old:scope"), ("delete", "code-chat")}
    names = {entry["name"] for entry in server.tables["applications"].values()}
    assert "D.Coder code chat" not in names
    assert "Somebody's" in names


async def test_a_run_that_broke_off_is_finished_by_the_next(server: LogtoServer) -> None:
    original, calls = server._problem, 0

    def fail_later(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 8:
            raise ConnectionResetError
        return original(*given, **named)

    server._problem = fail_later  # type: ignore[method-assign]
    with pytest.raises(DependencyUnavailable):
        await run(server)
    server._problem = original  # type: ignore[method-assign]
    await run(server)
    assert (await run(server))[0].changes == []
    names = [entry["name"] for table in server.tables.values() for entry in table.values()]
    assert sorted(set(names) - {"admin", "user"}) == sorted(name for name in names if name not in {"admin", "user"})


async def test_a_wrong_secret_and_a_dead_server_are_said(server: LogtoServer) -> None:
    with pytest.raises(LogtoRefused, match="invalid_client"):
        await run(server, secret="wrong")
    await server.stop()
    with pytest.raises(DependencyUnavailable, match="does not answer"):
        await run(server)


def test_the_command_names_what_is_not_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    told = capsys.readouterr().err
    for name in ("DCODER_LOGTO_ENDPOINT", "DCODER_LOGTO_APP_ID", "DCODER_LOGTO_APP_SECRET", "DCODER_PUBLIC_URL"):
        assert name in told
