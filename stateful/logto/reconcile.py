"""Compares a Logto server with the declaration, one kind of thing after the other, and changes what differs.

Nothing is deleted but, when asked to, what earlier runs have made: applications marked as ours and the scopes and the
webhook that belong to us alone. What somebody else has made is left alone, whatever it is called.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from stateful.logto.declaration import FOLDER, Application, Declaration, OrganizationRole, Role, Scope
from stateful.logto.management import ManagementApi

# In an application's custom data: the key under which it is declared.
MARK = "dcoder"
_UNKNOWN = "(new)"
Action = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was not as declared.

    Attributes:
        different: of a field, its value and the declared one.
    """

    action: Action
    kind: str
    name: str
    different: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """What a run did, or would do.

    Attributes:
        strangers: things of the kinds we know that are not declared.
        secrets: settings that the functions need, by name, as far as Logto tells them.
    """

    changes: list[Change] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)


class Reconciliation:
    """One run.

    Args:
        audience: the API resource's indicator.
        dry_run: find out what differs and change nothing.
        prune: delete what is ours and no longer declared.
    """

    def __init__(
        self, api: ManagementApi, declared: Declaration, *, audience: str, dry_run: bool = False, prune: bool = False
    ) -> None:
        self._api = api
        self._declared = declared
        self._audience = audience
        self._dry_run = dry_run
        self._prune = prune
        self._outcome = Outcome()

    async def run(self) -> Outcome:
        """Bring the server in line; sound to repeat, also after a run that broke off.

        Raises:
            LogtoRefused: Logto does not do what it is asked.
            DependencyUnavailable: Logto is away.
        """
        declared = self._declared
        api_scopes = await self._resource()
        roles = {role.name: await self._role(role, api_scopes) for role in declared.roles}
        organization_scopes = await self._scopes(
            "/organization-scopes", declared.organization.scopes, "organization scope", ours=False
        )
        for role in declared.organization.roles:
            await self._organization_role(role, organization_scopes, api_scopes)
        await self._applications(roles)
        await self._custom_jwt("access-token", declared.custom_jwt.access_token)
        await self._custom_jwt("client-credentials", declared.custom_jwt.client_credentials)
        await self._document("PUT", "/configs/id-token", "ID token", declared.id_token)
        await self._document("PATCH", "/sign-in-exp", "sign-in experience", declared.sign_in_experience)
        await self._document("PATCH", "/configs/oidc/session", "session", declared.session)
        await self._webhook()
        return self._outcome

    async def _resource(self) -> dict[str, str]:
        wanted = {"name": self._declared.resource.name, "accessTokenTtl": self._declared.resource.access_token_ttl}
        found = _named(await self._api.every("/resources"), "indicator").get(self._audience)
        found = await self._ensure(
            "/resources", "API resource", self._audience, found, wanted=wanted, identifier="indicator"
        )
        path = f"/resources/{found['id']}/scopes"
        return await self._scopes(path, self._declared.resource.scopes, "scope", ours=True)

    async def _scopes(self, path: str, declared: Iterable[Scope], kind: str, *, ours: bool) -> dict[str, str]:
        """Ids by name. Where the whole list is ours, scopes that are not declared may be pruned."""
        found = {} if _UNKNOWN in path else _named(await self._api.every(path))
        ids = {}
        for scope in declared:
            wanted = {"description": scope.description}
            ids[scope.name] = (await self._ensure(path, kind, scope.name, found.get(scope.name), wanted=wanted))["id"]
        for name, stranger in found.items():
            if name not in ids:
                await self._extra(f"{path}/{stranger['id']}", kind, name, ours=ours)
        return ids

    async def _role(self, role: Role, api_scopes: Mapping[str, str]) -> str:
        found = _named(await self._api.every(f"/roles?type={role.type}")).get(role.name)
        wanted = {"description": role.description}
        made = await self._ensure("/roles", "role", role.name, found, wanted=wanted, type=role.type)
        await self._related(
            f"/roles/{made['id']}/scopes", "role", role.name, role.scopes, ids=api_scopes, field_name="scopeIds"
        )
        return str(made["id"])

    async def _organization_role(
        self, role: OrganizationRole, organization_scopes: Mapping[str, str], api_scopes: Mapping[str, str]
    ) -> None:
        kind, path = "organization role", "/organization-roles"
        found = _named(await self._api.every(path)).get(role.name)
        wanted = {"description": role.description}
        made = await self._ensure(path, kind, role.name, found, wanted=wanted, type=role.type)
        path = f"{path}/{made['id']}"
        await self._related(
            f"{path}/scopes", kind, role.name, role.scopes, ids=organization_scopes, field_name="organizationScopeIds"
        )
        await self._related(
            f"{path}/resource-scopes", kind, role.name, role.resource_scopes, ids=api_scopes, field_name="scopeIds"
        )

    async def _applications(self, roles: Mapping[str, str]) -> None:
        every = await self._api.every("/applications")
        ours = {mark: each for each in every if (mark := (each.get("customData") or {}).get(MARK))}
        for application in self._declared.applications:
            made = await self._application(application, ours.get(application.key))
            if application.roles:
                path = f"/applications/{made['id']}/roles"
                await self._related(
                    path, "application", application.key, application.roles, ids=roles, field_name="roleIds"
                )
            if application.key == "platform" and made["id"] != _UNKNOWN:
                await self._tell_secrets(made["id"])
        declared = {application.key for application in self._declared.applications}
        for key, stranger in ours.items():
            if key not in declared:
                await self._extra(f"/applications/{stranger['id']}", "application", str(key), ours=True)
        self._outcome.strangers += [f"application {each['name']}" for each in every if each not in ours.values()]

    async def _application(self, application: Application, found: dict[str, Any] | None) -> dict[str, Any]:
        wanted: dict[str, Any] = {
            "name": application.name,
            "description": application.description,
            # What somebody has added to the custom data stays.
            "customData": {**((found or {}).get("customData") or {}), **application.custom_data, MARK: application.key},
            "customClientMetadata": {**((found or {}).get("customClientMetadata") or {}), **application.client},
        }
        if application.type != "MachineToMachine":
            wanted["oidcClientMetadata"] = {
                **((found or {}).get("oidcClientMetadata") or {}),
                "redirectUris": list(application.redirect_uris),
                "postLogoutRedirectUris": list(application.post_logout_redirect_uris),
            }
        else:
            wanted["oidcClientMetadata"] = {"redirectUris": [], "postLogoutRedirectUris": []}
        return await self._ensure(
            "/applications",
            "application",
            application.key,
            found,
            wanted=wanted,
            identifier=None,
            type=application.type,
        )

    async def _tell_secrets(self, application_id: str) -> None:
        secrets = await self._api.every(f"/applications/{application_id}/secrets")
        self._outcome.secrets["DCODER_OIDC_CLIENT_ID"] = application_id
        if secrets:
            self._outcome.secrets["DCODER_OIDC_CLIENT_SECRET"] = secrets[0]["value"]

    async def _custom_jwt(self, kind: str, file: str) -> None:
        script = (FOLDER / Path(file).name).read_text()
        await self._document("PUT", f"/configs/jwt-customizer/{kind}", f"claims of {kind}", {"script": script})

    async def _webhook(self) -> None:
        declared = self._declared.webhook
        found = [each for each in await self._api.every("/hooks") if each["name"] == declared.name]
        wanted = {"events": list(declared.events), "enabled": True, "config": {"url": declared.url}}
        made = await self._ensure("/hooks", "webhook", declared.name, found[0] if found else None, wanted=wanted)
        if "signingKey" in made:
            self._outcome.secrets["DCODER_LOGTO_WEBHOOK_KEY"] = made["signingKey"]
        for again in found[1:]:
            await self._extra(f"/hooks/{again['id']}", "webhook", f"{declared.name} (again)", ours=True)

    async def _document(self, method: str, path: str, kind: str, wanted: Mapping[str, Any]) -> None:
        """A setting of the whole server, of which what is not declared stays."""
        found = await self._api.get(path)
        different = _different(found or {}, wanted)
        if not different:
            return
        self._outcome.changes.append(Change("update" if found else "create", kind, path, different))
        if not self._dry_run:
            await self._api.send(method, path, wanted)

    async def _related(
        self, path: str, kind: str, name: str, wanted: Iterable[str], *, ids: Mapping[str, str], field_name: str
    ) -> None:
        """What belongs to something. It is ours alone, so what is too much goes."""
        names = {each: other for other, each in ids.items()}
        found = {} if _UNKNOWN in path else {each["id"]: each for each in await self._api.every(path)}
        target = {ids[each] for each in wanted}
        missing, too_much = target - set(found), set(found) - target
        if _UNKNOWN in target:
            missing = {each for each in target if each not in found}
        if not missing and not too_much:
            return
        before = sorted(str(each.get("name")) for each in found.values())
        relation = path.rpartition("/")[2]
        self._outcome.changes.append(Change("update", kind, name, {relation: (before, sorted(wanted))}))
        if self._dry_run:
            return
        if missing:
            await self._api.send("POST", path, {field_name: sorted(missing, key=lambda each: names.get(each, each))})
        for each in sorted(too_much):
            await self._api.send("DELETE", f"{path}/{each}")

    async def _ensure(
        self,
        path: str,
        kind: str,
        name: str,
        found: dict[str, Any] | None,
        *,
        wanted: dict[str, Any],
        identifier: str | None = "name",
        **fixed: Any,
    ) -> dict[str, Any]:
        """The thing as it is afterwards; in a dry run, one that does not exist has no id."""
        if found is None:
            self._outcome.changes.append(Change("create", kind, name))
            if self._dry_run:
                return {"id": _UNKNOWN}
            made: dict[str, Any] = await self._api.send(
                "POST", path, {**wanted, **fixed, **({identifier: name} if identifier else {})}
            )
            return made
        different = _different(found, wanted)
        if different:
            self._outcome.changes.append(Change("update", kind, name, different))
            if not self._dry_run:
                await self._api.send("PATCH", f"{path}/{found['id']}", {each: wanted[each] for each in different})
        return found

    async def _extra(self, path: str, kind: str, name: str, *, ours: bool) -> None:
        if not (ours and self._prune):
            self._outcome.strangers.append(f"{kind} {name}")
            return
        self._outcome.changes.append(Change("delete", kind, name))
        if not self._dry_run:
            await self._api.send("DELETE", path)


def _named(entries: Iterable[dict[str, Any]], by: str = "name") -> dict[str, dict[str, Any]]:
    return {str(each[by]): each for each in entries}


def _different(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The fields that are not as wanted. Of a nested document, what is not wanted may be anything."""
    return {name: (found.get(name), value) for name, value in wanted.items() if not _holds(found.get(name), value)}


def _holds(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(_holds(found.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        # Logto keeps sets in lists of any order.
        return sorted(map(str, found)) == sorted(map(str, wanted))
    return bool(found == wanted)
