"""`logto.yaml` as typed, checked models, with the addresses of this installation filled in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

FOLDER = Path(__file__).parent
_PLACE = re.compile(r"\{(\w+)\}")
RoleType = Literal["User", "MachineToMachine"]


class DeclarationError(ValueError):
    """The file is wrong; the message names the place and the fault."""


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Scope(_Model):
    """A permission."""

    name: str = Field(pattern=r"^\S+$")
    description: str


class ApiResource(_Model):
    """The platform's API."""

    name: str
    access_token_ttl: int = Field(gt=0)
    scopes: tuple[Scope, ...]


class Role(_Model):
    """A role of the whole server, with scopes of the API."""

    name: str
    description: str
    type: RoleType
    scopes: tuple[str, ...]


class OrganizationRole(Role):
    """A role within an organisation; `scopes` are the organisation's, `resource_scopes` the API's."""

    resource_scopes: tuple[str, ...]


class OrganizationTemplate(_Model):
    """What every organisation has."""

    scopes: tuple[Scope, ...]
    roles: tuple[OrganizationRole, ...]


class Application(_Model):
    """A client.

    Attributes:
        key: its name here; Logto keeps it in the application's custom data, by which it is found again.
        client: Logto's `customClientMetadata`.
    """

    key: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    name: str
    description: str
    type: Literal["Traditional", "SPA", "Native", "MachineToMachine"]
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    client: dict[str, Any] = Field(default_factory=dict)
    custom_data: dict[str, Any] = Field(default_factory=dict)
    roles: tuple[str, ...] = ()


class CustomJwt(_Model):
    """Files with the scripts that add claims."""

    access_token: str
    client_credentials: str


class Webhook(_Model):
    """Where Logto tells of accounts and organisations."""

    name: str
    url: str
    events: tuple[str, ...]


class Declaration(_Model):
    """All of `logto.yaml`."""

    resource: ApiResource
    roles: tuple[Role, ...]
    organization: OrganizationTemplate
    applications: tuple[Application, ...]
    custom_jwt: CustomJwt
    id_token: dict[str, Any]
    sign_in_experience: dict[str, Any]
    session: dict[str, Any]
    webhook: Webhook

    @model_validator(mode="after")
    def _refers_to_what_there_is(self) -> Self:
        api = {scope.name for scope in self.resource.scopes}
        own = {scope.name for scope in self.organization.scopes}
        for role in self.roles:
            _known(role.name, role.scopes, api)
        for each in self.organization.roles:
            _known(each.name, each.scopes, own)
            _known(each.name, each.resource_scopes, api)
        machines = {role.name for role in self.roles if role.type == "MachineToMachine"}
        for application in self.applications:
            _known(application.key, application.roles, machines)
        return self


def load_declaration(addresses: Mapping[str, str], path: Path = FOLDER / "logto.yaml") -> tuple[Declaration, list[str]]:
    """Read the file.

    Args:
        addresses: for the names in braces; an application that needs an empty one is left out.

    Returns:
        the declaration, and the keys of applications that were left out.

    Raises:
        DeclarationError: the file breaks the models, or names an address that there is not.
    """
    document = yaml.safe_load(path.read_text())
    wanted = {name for name in _PLACE.findall(path.read_text()) if name not in addresses}
    if wanted:
        raise DeclarationError(f"{path.name}: no such address: {', '.join(sorted(wanted))}")
    left_out = [each["key"] for each in document["applications"] if not _is_complete(each, addresses)]
    document["applications"] = [each for each in document["applications"] if each["key"] not in left_out]
    try:
        return Declaration.model_validate(_filled(document, addresses)), left_out
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise DeclarationError(f"{path.name}: {faults}") from error


def _is_complete(part: Any, addresses: Mapping[str, str]) -> bool:
    return all(addresses[name] for name in _PLACE.findall(str(_texts(part))))


def _texts(part: Any) -> list[str]:
    if isinstance(part, dict):
        return [text for value in part.values() for text in _texts(value)]
    if isinstance(part, list):
        return [text for value in part for text in _texts(value)]
    return [part] if isinstance(part, str) else []


def _filled(part: Any, addresses: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {name: _filled(value, addresses) for name, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, addresses) for value in part]
    if isinstance(part, str):
        return _PLACE.sub(lambda match: addresses[match[1]].rstrip("/"), part)
    return part


def _known(who: str, names: tuple[str, ...], known: set[str]) -> None:
    if unknown := sorted(set(names) - known):
        raise ValueError(f"{who} refers to {', '.join(unknown)}, which is not declared")
