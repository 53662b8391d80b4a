"""A stand-in for a Flagsmith server: its SDK API, and the part of its Admin API that the platform and the sync use.

Written from Flagsmith's published OpenAPI documents (`/api/v1`) and its documentation of environment webhooks, for one
project with one environment on the first feature versioning.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web

CLIENT_KEY = "EnvironmentClientKey"
SERVER_KEY = "ser.EnvironmentServerKey"
ADMIN_KEY = "Organisation.ApiKey"
_PROJECT = 12
_ENVIRONMENT = 23
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FlagsmithServer:
    """One server; its state outlives `stop`, as a database would."""

    def __init__(self) -> None:
        self.features: dict[int, dict[str, Any]] = {}
        self.states: dict[int, dict[str, Any]] = {}
        self.feature_segments: dict[int, dict[str, Any]] = {}
        self.segments: dict[int, dict[str, Any]] = {}
        self.webhooks: dict[int, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.port = 0
        self._numbers = iter(range(100, 1_000_000))
        self._updated_at = datetime.now(UTC)
        self._runner: web.AppRunner | None = None
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen, on the port of the first time."""
        app = web.Application(middlewares=[self._guard])
        environment, project = f"/api/v1/environments/{CLIENT_KEY}", f"/api/v1/projects/{_PROJECT}"
        app.add_routes(
            [
                web.get("/api/v1/environment-document/", self._document),
                web.get(f"{environment}/", self._environment),
                web.get(f"{environment}/webhooks/", self._list_webhooks),
                web.post(f"{environment}/webhooks/", self._put_webhook),
                web.put(f"{environment}/webhooks/{{id}}/", self._put_webhook),
                web.post(f"{environment}/features/{{feature}}/create-segment-override/", self._create_override),
                web.get(f"{project}/features/", self._list_features),
                web.post(f"{project}/features/", self._create_feature),
                web.patch(f"{project}/features/{{id}}/", self._patch_feature),
                web.post(f"{project}/segments/", self._put_segment),
                web.put(f"{project}/segments/{{id}}/", self._put_segment),
                web.get("/api/v1/features/featurestates/get-by-uuid/{uuid}/", self._state_by_uuid),
                web.put("/api/v1/features/featurestates/{id}/", self._put_state),
                web.delete("/api/v1/features/feature-segments/{id}/", self._delete_feature_segment),
            ]
        )
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Be gone: connections are refused."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._sending:
            await asyncio.wait(self._sending, timeout=5)

    def set_by_hand(self, name: str, *, enabled: bool) -> None:
        """Somebody flips a flag on Flagsmith's own dashboard."""
        state = self._default_state(self.feature_named(name)["id"])
        state["enabled"] = enabled
        self._changed(state)

    def feature_named(self, name: str) -> dict[str, Any]:
        return next(feature for feature in self.features.values() if feature["name"] == name)

    def default_of(self, name: str) -> dict[str, Any]:
        return self._default_state(self.feature_named(name)["id"])

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.calls.append(f"{request.method} {request.path}")
        if request.path == "/api/v1/environment-document/":
            if request.headers.get("X-Environment-Key") != SERVER_KEY:
                return web.json_response({"detail": "Invalid or missing Environment Key"}, status=403)
        elif request.headers.get("Authorization") != f"Api-Key {ADMIN_KEY}":
            return web.json_response({"detail": "Authentication credentials were not provided."}, status=401)
        return await handler(request)

    async def _document(self, request: web.Request) -> web.Response:
        modified = format_datetime(self._updated_at, usegmt=True)
        given = request.headers.get("If-Modified-Since")
        if given and parsedate_to_datetime(given) >= self._updated_at.replace(microsecond=0):
            return web.Response(status=304, headers={"Last-Modified": modified})
        segments = [
            {
                "id": segment["id"],
                "name": segment["name"],
                "rules": [_document_rule(rule) for rule in segment["rules"]],
                "feature_states": [
                    self._document_state(state)
                    for state in self.states.values()
                    if state["feature_segment"]
                    and self.feature_segments[state["feature_segment"]]["segment"] == segment["id"]
                ],
            }
            for segment in self.segments.values()
        ]
        document = {
            "api_key": CLIENT_KEY,
            "name": "Test",
            "updated_at": self._updated_at.isoformat(),
            "feature_states": [
                self._document_state(state) for state in self.states.values() if not state["feature_segment"]
            ],
            "identity_overrides": [],
            "project": {"id": _PROJECT, "name": "Test", "segments": segments},
        }
        return web.json_response(document, headers={"Last-Modified": modified})

    def _document_state(self, state: dict[str, Any]) -> dict[str, Any]:
        override = self.feature_segments.get(state["feature_segment"] or 0)
        feature = self.features[state["feature"]]
        return {
            "django_id": state["id"],
            "featurestate_uuid": state["uuid"],
            "enabled": state["enabled"],
            "feature": {"id": feature["id"], "name": feature["name"], "type": "STANDARD"},
            "feature_state_value": _value(state["feature_state_value"]),
            "feature_segment": {"priority": override["priority"]} if override else None,
            "multivariate_feature_state_values": [],
        }

    async def _environment(self, _: web.Request) -> web.Response:
        return web.json_response({"id": _ENVIRONMENT, "name": "Test", "api_key": CLIENT_KEY, "project": _PROJECT})

    async def _list_features(self, request: web.Request) -> web.Response:
        page, size = int(request.query.get("page", 1)), min(int(request.query.get("page_size", 10)), 7)
        every = list(self.features.values())
        following = f"{self.url}{request.path}?page={page + 1}" if page * size < len(every) else None
        results = every[(page - 1) * size : page * size]
        return web.json_response({"count": len(every), "next": following, "previous": None, "results": results})

    async def _create_feature(self, request: web.Request) -> web.Response:
        body = await request.json()
        if any(feature["name"].lower() == body["name"].lower() for feature in self.features.values()):
            return web.json_response({"name": ["Feature with that name already exists"]}, status=400)
        feature = {**body, "id": next(self._numbers), "uuid": str(uuid4()), "project": _PROJECT}
        self.features[feature["id"]] = feature
        self._add_state(feature["id"], None, body["default_enabled"], _guessed(body.get("initial_value")))
        return web.json_response(feature, status=201)

    async def _patch_feature(self, request: web.Request) -> web.Response:
        feature = self.features[int(request.match_info["id"])]
        feature["description"] = (await request.json())["description"]
        return web.json_response(feature)

    async def _put_segment(self, request: web.Request) -> web.Response:
        body = await request.json()
        number = int(request.match_info.get("id") or next(self._numbers))
        self.segments[number] = {"id": number, "name": body["name"], "rules": body["rules"], "project": _PROJECT}
        self._touch()
        return web.json_response(self.segments[number], status=201 if request.method == "POST" else 200)

    async def _create_override(self, request: web.Request) -> web.Response:
        body, feature = await request.json(), int(request.match_info["feature"])
        segment = body["feature_segment"]["segment"]
        taken = [o for o in self.feature_segments.values() if o["feature"] == feature]
        if any(override["segment"] == segment for override in taken):
            return web.json_response(["Feature segment already exists"], status=400)
        priority = body["feature_segment"].get("priority", len(taken))
        for override in taken:
            if override["priority"] >= priority:
                override["priority"] += 1
        number = next(self._numbers)
        self.feature_segments[number] = {"id": number, "feature": feature, "segment": segment, "priority": priority}
        state = self._add_state(feature, number, body["enabled"], body["feature_state_value"])
        return web.json_response({**state, "feature_segment": self.feature_segments[number]}, status=201)

    async def _state_by_uuid(self, request: web.Request) -> web.Response:
        found = [state for state in self.states.values() if state["uuid"] == request.match_info["uuid"]]
        return web.json_response(found[0]) if found else web.json_response({"detail": "Not found."}, status=404)

    async def _put_state(self, request: web.Request) -> web.Response:
        body, state = await request.json(), self.states[int(request.match_info["id"])]
        if any(body[name] != state[name] for name in ("feature", "environment", "feature_segment")):
            return web.json_response({"feature": ["Cannot change the feature of a feature state"]}, status=400)
        state.update(enabled=body["enabled"], feature_state_value=body["feature_state_value"])
        self._changed(state)
        return web.json_response(state)

    async def _delete_feature_segment(self, request: web.Request) -> web.Response:
        number = int(request.match_info["id"])
        del self.feature_segments[number]
        self.states = {key: state for key, state in self.states.items() if state["feature_segment"] != number}
        self._touch()
        return web.Response(status=204)

    async def _list_webhooks(self, _: web.Request) -> web.Response:
        return web.json_response(list(self.webhooks.values()))

    async def _put_webhook(self, request: web.Request) -> web.Response:
        number = int(request.match_info.get("id") or next(self._numbers))
        self.webhooks[number] = {**await request.json(), "id": number}
        return web.json_response(self.webhooks[number], status=201 if request.method == "POST" else 200)

    def _add_state(self, feature: int, override: int | None, enabled: object, value: object) -> dict[str, Any]:
        state = {
            "id": next(self._numbers),
            "uuid": str(uuid4()),
            "feature": feature,
            "environment": _ENVIRONMENT,
            "feature_segment": override,
            "enabled": enabled,
            "feature_state_value": value,
        }
        self.states[int(str(state["id"]))] = state
        self._changed(state)
        return state

    def _default_state(self, feature: int) -> dict[str, Any]:
        states = self.states.values()
        return next(state for state in states if state["feature"] == feature and not state["feature_segment"])

    def _touch(self) -> None:
        self._updated_at = datetime.now(UTC)

    def _changed(self, state: dict[str, Any]) -> None:
        self._touch()
        feature = self.features[state["feature"]]
        new = {"enabled": state["enabled"], "feature": feature, "environment": {"id": _ENVIRONMENT, "name": "Test"}}
        data = {"changed_by": "someone@example.com", "new_state": new, "timestamp": self._updated_at.isoformat()}
        body = json.dumps({"event_type": "FLAG_UPDATED", "data": data}, sort_keys=True).encode()
        for webhook in self.webhooks.values():
            task = asyncio.create_task(_deliver(webhook, body))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)


async def _deliver(webhook: dict[str, Any], body: bytes) -> None:
    signature = hmac.new(webhook["secret"].encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Flagsmith-Signature": signature}
    async with (
        aiohttp.ClientSession() as session,
        session.post(webhook["url"], data=body, headers=headers, timeout=aiohttp.ClientTimeout(total=5)) as response,
    ):
        await response.read()


def _guessed(initial: str | None) -> dict[str, Any]:
    kind = "unicode"
    if initial is not None and initial.lstrip("-").isdigit():
        kind = "int"
    elif initial in {"true", "false"}:
        kind = "bool"
    return {
        "type": kind,
        "string_value": initial if kind == "unicode" else None,
        "integer_value": int(initial or 0) if kind == "int" else None,
        "boolean_value": initial == "true" if kind == "bool" else None,
    }


def _value(typed: dict[str, Any]) -> object:
    return typed[{"int": "integer_value", "bool": "boolean_value"}.get(typed["type"], "string_value")]


def _document_rule(rule: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": rule["type"],
        "rules": [_document_rule(inner) for inner in rule.get("rules", [])],
        "conditions": [
            {"operator": c["operator"], "property_": c["property"], "value": c["value"]}
            for c in rule.get("conditions", [])
        ],
    }


@asynccontextmanager
async def flagsmith_server() -> AsyncIterator[FlagsmithServer]:
    server = FlagsmithServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
