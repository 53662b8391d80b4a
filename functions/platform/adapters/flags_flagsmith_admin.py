"""A client of Flagsmith's Admin API, as far as flags need it.

The endpoints are the stable ones of `/api/v1` (the same that Flagsmith's Terraform provider uses). They write states of
environments on Flagsmith's first feature versioning; one on version 2, or with change requests, refuses them.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from functions.kit.errors import DependencyUnavailable
from functions.kit.flag_registry import StoredValue
from functions.platform.core.flags_errors import FlagsmithRefused

_SECONDS = 5.0
_PAGE = 100
_MOST_PAGES = 1000


@dataclass(frozen=True, slots=True)
class EnvironmentIds:
    """The numbers that Flagsmith knows an environment by."""

    key: str
    id: int
    project: int


class FlagsmithAdmin:
    """Calls the Admin API with an organisation's key.

    Every method raises DependencyUnavailable when Flagsmith is away and FlagsmithRefused when it says no.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, admin_key: str) -> None:
        self._http = http
        self._base = f"{url.rstrip('/')}/api/v1"
        self._headers = {"Authorization": f"Api-Key {admin_key}", "Accept": "application/json"}

    async def environment(self, client_key: str) -> EnvironmentIds:
        """The environment of a client-side key, which is what the environment document calls `api_key`."""
        found = await self._call("GET", f"/environments/{client_key}/")
        return EnvironmentIds(client_key, int(found["id"]), int(found["project"]))

    async def features(self, project: int) -> list[dict[str, Any]]:
        """All features of a project."""
        return [feature async for feature in self._listed(f"/projects/{project}/features/")]

    async def create_feature(self, project: int, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a feature, in all environments of its project."""
        created: dict[str, Any] = await self._call("POST", f"/projects/{project}/features/", body)
        return created

    async def update_feature(self, project: int, feature: int, body: Mapping[str, Any]) -> None:
        """Change what is said of a feature; its states stay."""
        await self._call("PATCH", f"/projects/{project}/features/{feature}/", body)

    async def put_state(self, uuid: str, *, enabled: bool, value: StoredValue) -> None:
        """Set a state, of the environment or of a segment, by its id in the environment document."""
        state = await self._call("GET", f"/features/featurestates/get-by-uuid/{uuid}/")
        body = {
            "enabled": enabled,
            "feature": state["feature"],
            "environment": state["environment"],
            "feature_segment": state.get("feature_segment"),
            "feature_state_value": _typed(value),
        }
        await self._call("PUT", f"/features/featurestates/{state['id']}/", body)

    async def remove_override(self, uuid: str) -> None:
        """Take a segment's override away, by the id of its state in the environment document."""
        state = await self._call("GET", f"/features/featurestates/get-by-uuid/{uuid}/")
        await self._call("DELETE", f"/features/feature-segments/{state['feature_segment']}/")

    async def create_override(
        self,
        environment: EnvironmentIds,
        feature: int,
        segment: int,
        *,
        enabled: bool,
        value: StoredValue,
        priority: int | None = None,
    ) -> None:
        """Make a segment override a flag; without a priority it comes after the others."""
        chosen = {"segment": segment} if priority is None else {"segment": segment, "priority": priority}
        await self._call(
            "POST",
            f"/environments/{environment.key}/features/{feature}/create-segment-override/",
            {"feature_segment": chosen, "enabled": enabled, "feature_state_value": _typed(value)},
        )

    async def create_segment(self, project: int, name: str, rules: list[dict[str, Any]]) -> int:
        """Make a segment; its number."""
        body = {"name": name, "project": project, "rules": _wire_rules(rules)}
        created = await self._call("POST", f"/projects/{project}/segments/", body)
        return int(created["id"])

    async def update_segment(self, project: int, segment: int, name: str, rules: list[dict[str, Any]]) -> None:
        """Replace a segment's rules."""
        body = {"name": name, "project": project, "rules": _wire_rules(rules)}
        await self._call("PUT", f"/projects/{project}/segments/{segment}/", body)

    async def webhooks(self, environment: EnvironmentIds) -> list[dict[str, Any]]:
        """The environment's webhooks."""
        return [webhook async for webhook in self._listed(f"/environments/{environment.key}/webhooks/")]

    async def put_webhook(self, environment: EnvironmentIds, url: str, secret: str, webhook: int | None = None) -> None:
        """Make a webhook, or change the one of that number."""
        path = f"/environments/{environment.key}/webhooks/"
        body = {"url": url, "secret": secret, "enabled": True}
        if webhook is None:
            await self._call("POST", path, body)
        else:
            await self._call("PUT", f"{path}{webhook}/", body)

    async def _listed(self, path: str) -> AsyncIterator[dict[str, Any]]:
        for page in range(1, _MOST_PAGES):
            answer = await self._call("GET", f"{path}?page={page}&page_size={_PAGE}")
            # Some listings come in pages and some whole.
            for entry in answer if isinstance(answer, list) else answer["results"]:
                yield entry
            if isinstance(answer, list) or not answer.get("next"):
                return

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = orjson.dumps(body) if body is not None else None
        headers = {**self._headers, **({"Content-Type": "application/json"} if data else {})}
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with self._http.request(
                method, self._base + path, data=data, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                text = await response.read()
                if response.status >= 500 or response.status == 429:
                    raise _away(f"Flagsmith answered {response.status}")
                if response.status >= 300:
                    raise FlagsmithRefused(
                        f"Flagsmith refused: {response.status}",
                        details={"dependency": "flagsmith", "status": response.status},
                    )
                return orjson.loads(text) if text else None
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
            raise _away("Flagsmith is not available") from error


def _typed(value: StoredValue) -> dict[str, Any]:
    kind = "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "unicode"
    return {
        "type": kind,
        "string_value": value if kind == "unicode" else None,
        "integer_value": value if kind == "int" else None,
        "boolean_value": value if kind == "bool" else None,
    }


def _wire_rules(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rules as the Admin API has them: a condition's `property_` is called `property` there."""
    return [
        {
            "type": rule["type"],
            "rules": _wire_rules(rule["rules"]),
            "conditions": [
                {"operator": c["operator"], "property": c["property_"], "value": c["value"]} for c in rule["conditions"]
            ],
        }
        for rule in rules
    ]


def _away(message: str) -> DependencyUnavailable:
    return DependencyUnavailable(message, details={"dependency": "flagsmith"})
