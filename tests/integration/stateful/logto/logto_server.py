"""A stand-in for a Logto server: the part of its Management API that the sync uses, with its checks.

Written from Logto's published OpenAPI document (openapi.logto.io) and the guards of its routes: which fields are taken,
what is refused with 422, which lists are paged and with which header, which statuses answer.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from aiohttp import encode_basic_auth, web

APP_ID, APP_SECRET = "management", "its-secret"
INDICATOR = "https://default.logto.app/api"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_APPLICATION = {
    "name", "description", "type", "oidcClientMetadata", "customClientMetadata", "customData", "isThirdParty",
}  # fmt: skip
_CLIENT_METADATA = {
    "corsAllowedOrigins", "idTokenTtl", "refreshTokenTtl", "refreshTokenTtlInDays", "tenantId",
    "alwaysIssueRefreshToken", "rotateRefreshToken", "allowTokenExchange", "isDeviceFlow", "maxAllowedGrants",
}  # fmt: skip
_FIELDS = {
    "resources": {"name", "indicator", "accessTokenTtl"},
    "scopes": {"name", "description"},
    "roles": {"name", "description", "type", "isDefault", "scopeIds"},
    "organization-scopes": {"name", "description"},
    "organization-roles": {"name", "description", "type", "organizationScopeIds", "resourceScopeIds"},
    "applications": _APPLICATION,
    "hooks": {"name", "events", "event", "config", "enabled"},
}
_NEEDED = {
    "resources": {"name", "indicator"},
    "scopes": {"name"},
    "roles": {"name", "description"},
    "applications": {"name", "type", "oidcClientMetadata"},
    "hooks": {"events", "config"},
}
# What a patch may not touch.
_FIXED = {"resources": {"indicator"}}
_MFA_FACTORS = {"Totp", "WebAuthn", "BackupCode", "EmailVerificationCode", "PhoneVerificationCode"}


class LogtoServer:
    """One server."""

    def __init__(self) -> None:
        self.port = 0
        self.writes: list[str] = []
        self.tables: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in _FIELDS}
        self.relations: dict[tuple[str, str], set[str]] = {}
        self.secrets: dict[str, list[dict[str, Any]]] = {}
        self.customizers: dict[str, dict[str, Any]] = {}
        self.id_token: dict[str, Any] | None = None
        self.session: dict[str, Any] = {"ttl": 1_209_600}
        self.experience: dict[str, Any] = {
            "signInMode": "SignInAndRegister",
            "mfa": {"factors": [], "policy": "UserControlled"},
            "sentinelPolicy": {},
            "passwordPolicy": {},
            "color": {"primaryColor": "#5D34F2"},
        }
        self.add("resources", name="Logto Management API", indicator=INDICATOR, accessTokenTtl=3600)
        self.add("applications", name="Somebody's", type="SPA", customData={}, customClientMetadata={})
        self.add("roles", name="Logto Management API access", description="", type="MachineToMachine")
        self._tokens: set[str] = set()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, table: str, **fields: Any) -> dict[str, Any]:
        entry = {"id": secrets.token_hex(10), **fields}
        self.tables[table][entry["id"]] = entry
        return entry

    def named(self, table: str, name: str) -> dict[str, Any]:
        return next(entry for entry in self.tables[table].values() if entry["name"] == name)

    def related(self, table: str, name: str, relation: str) -> set[str]:
        ids = self.relations.get((self.named(table, name)["id"], relation), set())
        everything = {key: entry for each in self.tables.values() for key, entry in each.items()}
        return {str(everything[each]["name"]) for each in ids}

    async def start(self) -> None:
        app = web.Application(middlewares=[self._guard])
        app.router.add_post("/oidc/token", self._token)
        for table in ("resources", "roles", "organization-scopes", "organization-roles", "applications", "hooks"):
            self._serve_table(app, f"/api/{table}", table)
        self._serve_table(app, "/api/resources/{owner}/scopes", "scopes")
        for table, relation in (
            ("roles", "scopes"), ("organization-roles", "scopes"), ("organization-roles", "resource-scopes"),
            ("applications", "roles"),
        ):  # fmt: skip
            path = f"/api/{table}/{{owner}}/{relation}"
            app.router.add_get(path, self._relation(relation))
            app.router.add_post(path, self._relation(relation))
            app.router.add_delete(f"{path}/{{id}}", self._relation(relation))
        app.router.add_get("/api/applications/{owner}/secrets", self._list_secrets)
        app.router.add_get("/api/configs/jwt-customizer/{kind}", self._customizer)
        app.router.add_put("/api/configs/jwt-customizer/{kind}", self._customizer)
        app.router.add_get("/api/configs/id-token", self._id_token)
        app.router.add_put("/api/configs/id-token", self._id_token)
        app.router.add_get("/api/configs/oidc/session", self._session)
        app.router.add_patch("/api/configs/oidc/session", self._session)
        app.router.add_get("/api/sign-in-exp", self._experience)
        app.router.add_patch("/api/sign-in-exp", self._experience)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/api/"):
            if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self._tokens:
                return _refusal(401, "auth.unauthorized", "Unauthorized.")
            if request.method != "GET":
                self.writes.append(f"{request.method} {request.path}")
        return await handler(request)

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if request.headers.get("Authorization") != encode_basic_auth(APP_ID, APP_SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        if (form["grant_type"], form["resource"], form["scope"]) != ("client_credentials", INDICATOR, "all"):
            return web.json_response({"error": "invalid_target"}, status=400)
        token = secrets.token_hex(8)
        self._tokens.add(token)
        return web.json_response({"access_token": token, "expires_in": 3600, "token_type": "Bearer", "scope": "all"})

    def _serve_table(self, app: web.Application, path: str, table: str) -> None:
        app.router.add_get(path, partial(self._list, table))
        app.router.add_post(path, partial(self._make, table))
        app.router.add_patch(f"{path}/{{id}}", partial(self._change, table))
        app.router.add_delete(f"{path}/{{id}}", partial(self._remove, table))

    async def _list(self, table: str, request: web.Request) -> web.Response:
        return _paged(request, [each for each in self.tables[table].values() if self._is_in(each, request, table)])

    async def _make(self, table: str, request: web.Request) -> web.Response:
        body = await request.json()
        if problem := self._problem(table, body, request, new=True):
            return problem
        body = {key: value for key, value in body.items() if not key.endswith("Ids")}
        if table == "scopes":
            body["resourceId"] = request.match_info["owner"]
        entry = self.add(table, **self._defaults(table), **body)
        if table == "applications" and entry["type"] in {"Traditional", "MachineToMachine"}:
            secret = {"applicationId": entry["id"], "name": "Default secret", "value": secrets.token_hex(16)}
            self.secrets[entry["id"]] = [secret]
        return web.json_response(entry, status=200 if table in {"applications", "roles"} else 201)

    async def _change(self, table: str, request: web.Request) -> web.Response:
        entry = self.tables[table].get(request.match_info["id"])
        if entry is None:
            return _refusal(404, "entity.not_exists_with_id", "The entity does not exist.")
        body = await request.json()
        if problem := self._problem(table, body, request, new=False):
            return problem
        entry.update(body)
        return web.json_response(entry)

    async def _remove(self, table: str, request: web.Request) -> web.Response:
        if self.tables[table].pop(request.match_info["id"], None) is None:
            return _refusal(404, "entity.not_exists_with_id", "The entity does not exist.")
        return web.Response(status=204)

    @staticmethod
    def _defaults(table: str) -> dict[str, Any]:
        if table == "hooks":
            return {"signingKey": secrets.token_hex(16)}
        return {}

    @staticmethod
    def _is_in(entry: dict[str, Any], request: web.Request, table: str) -> bool:
        if table == "scopes" and entry["resourceId"] != request.match_info["owner"]:
            return False
        wanted = request.query.get("type")
        return wanted is None or entry.get("type") == wanted

    def _problem(self, table: str, body: dict[str, Any], request: web.Request, *, new: bool) -> web.Response | None:
        unknown = set(body) - _FIELDS[table] | (set(body) & _FIXED.get(table, set()) if not new else set())
        missing = _NEEDED.get(table, {"name"}) - set(body) if new else set()
        metadata = set(body.get("customClientMetadata") or {}) - _CLIENT_METADATA
        if unknown or missing or metadata:
            return _refusal(400, "guard.invalid_input", f"Invalid body: {sorted(unknown | missing | metadata)}")
        name = body.get("name")
        taken = [e for e in self.tables[table].values() if e["name"] == name and self._is_in(e, request, table)]
        if new and taken and table not in {"applications", "hooks", "resources"}:
            return _refusal(422, f"{table}.name_exists", f"The name {name} is already in use.")
        if new and table == "resources" and body["indicator"] in {e["indicator"] for e in self.tables[table].values()}:
            return _refusal(422, "resource.resource_identifier_in_use", "The API identifier is already in use.")
        return None

    def _relation(self, relation: str) -> Handler:
        async def serve(request: web.Request) -> web.Response:
            ids = self.relations.setdefault((request.match_info["owner"], relation), set())
            everything = {key: entry for each in self.tables.values() for key, entry in each.items()}
            if request.method == "DELETE":
                ids.discard(request.match_info["id"])
                return web.Response(status=204)
            if request.method == "POST":
                body = await request.json()
                (given,) = body.values()
                expected = _relation_field(request.path)
                if set(body) != {expected} or not given or not set(given) <= set(everything):
                    return _refusal(422, "entity.relation_foreign_key_not_found", f"Wrong {expected}.")
                ids.update(given)
                return web.json_response(body, status=201)
            return _paged(request, [everything[each] for each in sorted(ids)])

        return serve

    async def _list_secrets(self, request: web.Request) -> web.Response:
        return web.json_response(self.secrets.get(request.match_info["owner"], []))

    async def _customizer(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        if kind not in {"access-token", "client-credentials"}:
            return _refusal(400, "guard.invalid_input", "Invalid token type.")
        if request.method == "GET":
            found = self.customizers.get(kind)
            return web.json_response(found) if found else _refusal(404, "entity.not_exists", "Not found.")
        body = await request.json()
        if set(body) - {"script", "environmentVariables", "contextSample", "tokenSample", "blockIssuanceOnError"}:
            return _refusal(400, "guard.invalid_input", "Invalid body.")
        status = 200 if kind in self.customizers else 201
        self.customizers[kind] = body
        return web.json_response(body, status=status)

    async def _id_token(self, request: web.Request) -> web.Response:
        if request.method == "PUT":
            self.id_token = await request.json()
        found = self.id_token
        return web.json_response(found) if found else _refusal(404, "entity.not_found", "Not found.")

    async def _session(self, request: web.Request) -> web.Response:
        if request.method == "PATCH":
            self.session.update(await request.json())
        return web.json_response(self.session)

    async def _experience(self, request: web.Request) -> web.Response:
        if request.method == "PATCH":
            body = await request.json()
            if set(body) - set(self.experience) or set(body.get("mfa", {}).get("factors", [])) - _MFA_FACTORS:
                return _refusal(400, "guard.invalid_input", "Invalid body.")
            self.experience.update(body)
        return web.json_response(self.experience)


def _relation_field(path: str) -> str:
    if "/organization-roles/" in path and path.endswith("/scopes"):
        return "organizationScopeIds"
    return "roleIds" if path.endswith("/roles") else "scopeIds"


def _paged(request: web.Request, entries: list[dict[str, Any]]) -> web.Response:
    page, size = int(request.query.get("page", 1)), int(request.query.get("page_size", 20))
    if size > 100:
        return _refusal(400, "guard.invalid_pagination", "The request pagination is invalid.")
    # Pages are kept small, so that more than one is needed.
    size = min(size, 2)
    shown = entries[(page - 1) * size : page * size]
    return web.json_response(shown, headers={"Total-Number": str(len(entries))})


def _refusal(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"code": code, "message": message}, status=status)


@asynccontextmanager
async def logto_server() -> AsyncIterator[LogtoServer]:
    server = LogtoServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
