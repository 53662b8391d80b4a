"""Kong's Admin API as documented for 3.9, as far as consumers, key-auth, acls, services and plugins go."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

_UNIQUE = {
    "consumers": ("username", "custom_id"),
    "key-auths": ("key",),
    "acls": (),
    "plugins": (),
    "services": ("name",),
}
_NESTED = {"key-auth": "key-auths", "acls": "acls"}
_SCHEMAS = {
    "consumers": {"username", "custom_id", "tags"},
    "key-auths": {"key", "ttl", "tags", "consumer"},
    "acls": {"group", "tags", "consumer"},
    "plugins": {"name", "config", "tags", "consumer", "service", "route", "enabled", "protocols", "instance_name"},
}


class KongAdmin:
    """Entities by kind and id; `page` is the most it gives at once, whatever is asked for."""

    def __init__(self, page: int = 3) -> None:
        self.page = page
        self.entities: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in _UNIQUE}
        self.calls: list[tuple[str, str]] = []
        self.failing: dict[tuple[str, str], int] = {}
        self.token = ""
        for name in ("gateway-chat", "gateway-embeddings"):
            self.entities["services"][str(uuid.uuid4())] = {"name": name}

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_route("*", "/{rest:.*}", self._answer)
        return application

    def of(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        return [e for e in self.all(kind) if all(e.get(name) == value for name, value in fields.items())]

    def all(self, kind: str) -> Iterator[dict[str, Any]]:
        for name, entity in self.entities[kind].items():
            yield {"id": name, **entity}

    def writes(self) -> list[tuple[str, str]]:
        return [call for call in self.calls if call[0] != "GET"]

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.path.strip("/").split("/")
        self.calls.append((request.method, request.path))
        if self.token and request.headers.get("Kong-Admin-Token") != self.token:
            return _json(401, {"message": "Unauthorized"})
        kind = _NESTED.get(path[2], path[2]) if len(path) == 4 else path[0]
        if self.failing.get((request.method, kind)):
            self.failing[request.method, kind] -= 1
            return _json(500, {"message": "An unexpected error occurred"})
        if kind not in self.entities:
            return _json(404, {"message": "Not found"})
        if len(path) == 1:
            return self._list(kind, request)
        owner = None
        if len(path) == 4:
            owner = self._find("consumers", path[1])
            if owner is None:
                return _json(404, {"message": "Not found"})
        if request.method == "PUT":
            return self._put(kind, path[-1], await request.json(), owner)
        found = self._find(kind, path[-1])
        if request.method == "DELETE":
            if found is not None:
                self._delete(kind, found)
            return web.Response(status=204)
        return (
            _json(200, {"id": found, **self.entities[kind][found]}) if found else _json(404, {"message": "Not found"})
        )

    def _list(self, kind: str, request: web.Request) -> web.Response:
        tags = set(filter(None, request.query.get("tags", "").split(",")))
        items = [item for item in self.all(kind) if tags <= set(item.get("tags") or ())]
        start = int(request.query.get("offset", "0"))
        size = min(self.page, int(request.query.get("size", "100")))
        answer: dict[str, Any] = {"data": items[start : start + size], "next": None}
        if len(items) > start + size:
            answer["offset"] = str(start + size)
            answer["next"] = f"/{kind}?offset={start + size}&size={size}" + (f"&tags={','.join(tags)}" if tags else "")
        return _json(200, answer)

    def _put(self, kind: str, name: str, body: dict[str, Any], owner: str | None) -> web.Response:
        if unknown := body.keys() - _SCHEMAS[kind]:
            return _json(
                400, {"name": "schema violation", "code": 2, "fields": dict.fromkeys(unknown, "unknown field")}
            )
        if owner is not None:
            body = {**body, "consumer": {"id": owner}}
        for part, of in (("consumer", "consumers"), ("service", "services")):
            if part in body:
                target = self._find(of, next(iter(body[part].values())))
                if target is None:
                    return _json(400, {"name": "foreign key violation", "code": 3, "fields": {part: body[part]}})
                body = {**body, part: {"id": target}}
        for other in self.all(kind):
            for field in _UNIQUE[kind]:
                if other["id"] != name and field in body and other.get(field) == body[field]:
                    fields = {field: body[field]}
                    return _json(409, {"name": "unique constraint violation", "code": 5, "fields": fields})
        defaults = {"created_at": 1, **({"enabled": True, "protocols": ["http", "https"]} if kind == "plugins" else {})}
        if kind == "plugins" and body["name"] == "rate-limiting":
            config = {"hour": None, "hide_client_headers": False, "sync_rate": -1, **body["config"]}
            body = {**body, "config": {**config, "redis": {"database": 0, "ssl": False, **config["redis"]}}}
        self.entities[kind][name] = {**defaults, **body}
        return _json(200, {"id": name, **self.entities[kind][name]})

    def _find(self, kind: str, name: str) -> str | None:
        for entity in self.all(kind):
            if name in {entity["id"], *(entity.get(field) for field in _UNIQUE[kind])}:
                return str(entity["id"])
        return None

    def _delete(self, kind: str, name: str) -> None:
        del self.entities[kind][name]
        if kind == "consumers":
            for others in (self.entities[other] for other in ("key-auths", "acls", "plugins")):
                for id_ in [i for i, e in others.items() if (e.get("consumer") or {}).get("id") == name]:
                    del others[id_]


def _json(status: int, body: object) -> web.Response:
    return web.json_response(body, status=status)


@asynccontextmanager
async def serving(kong: KongAdmin) -> AsyncIterator[str]:
    runner = web.AppRunner(kong.application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()
