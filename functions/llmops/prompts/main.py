"""/v1/prompts: texts for models in versions, and which of them are deployed."""

from typing import Annotated

from fastapi import Path, Query, Request, Response

from functions.kit.app import create_app
from functions.kit.authorisation import principal, require, tenant_named
from functions.kit.models import Page
from functions.kit.policies.attributes import Resource
from functions.kit.routing import api_router
from functions.llmops.core.prompts import MOST_VERSIONS, Author, PromptLibrary
from functions.llmops.prompts.schemas import (
    LABEL,
    NAME,
    CreatedPrompt,
    CreatePromptBody,
    DeployBody,
    Prompt,
    PromptDeployment,
    PromptVersion,
    RenderBody,
    RenderedPrompt,
    VersionBody,
)
from functions.llmops.wiring import LlmOps, llmops

router = api_router()


def _resource(request: Request) -> Resource:
    return Resource(kind="prompt", name=request.path_params["name"])


_ALL, _ONE = "/v1/prompts", "/v1/prompts/{name}"
_VERSIONS, _VERSION = "/v1/prompts/{name}/versions", "/v1/prompts/{name}/versions/{number}"
_LABEL = "/v1/prompts/{name}/labels/{label}"
_READ, _WRITE = [require("prompts:read", _resource)], [require("prompts:write", _resource)]
_DEPLOY = [require("prompts:deploy", _resource)]
Name = Annotated[str, Path(pattern=NAME)]
Label = Annotated[str, Path(pattern=LABEL)]
Number = Annotated[int, Path(ge=1, le=MOST_VERSIONS)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=500)]


@router.post(_ALL, status_code=201, dependencies=[require("prompts:write")], summary="Make a prompt")
async def create_prompt(request: Request, body: CreatePromptBody) -> CreatedPrompt:
    """Keep a text for models under a name, as version 1. It is used from when it is deployed."""
    library, author = await _asked(request)
    return CreatedPrompt.made(*await library.create(author, body.name, body.description, body.draft()))


@router.get(_ALL, dependencies=[require("prompts:read")], summary="List prompts")
async def list_prompts(request: Request, limit: Limit = 50, cursor: Cursor = None) -> Page[Prompt]:
    """The tenant's prompts, by name."""
    library, author = await _asked(request)
    found, following = await library.page(author, limit, cursor)
    return Page(items=[Prompt.of(prompt) for prompt in found], next_cursor=following)


@router.get(_ONE, dependencies=_READ, summary="Get a prompt")
async def get_prompt(request: Request, name: Name) -> Prompt:
    """One prompt and what of it is deployed."""
    library, author = await _asked(request)
    return Prompt.of(await library.get(author, name))


@router.delete(_ONE, status_code=204, dependencies=_WRITE, summary="Remove a prompt")
async def remove_prompt(request: Request, name: Name) -> Response:
    """Remove a prompt with its versions; refused while it has a label."""
    library, author = await _asked(request)
    await library.remove(author, name)
    return Response(status_code=204)


@router.post(_VERSIONS, status_code=201, dependencies=_WRITE, summary="Make a new version of a prompt")
async def create_version(request: Request, name: Name, body: VersionBody) -> PromptVersion:
    """Keep another text as the next version; what is deployed stays."""
    library, author = await _asked(request)
    return PromptVersion.model_validate(await library.add_version(author, name, body.draft()))


@router.get(_VERSIONS, dependencies=_READ, summary="List a prompt's versions")
async def list_versions(request: Request, name: Name, limit: Limit = 50, cursor: Cursor = None) -> Page[PromptVersion]:
    """Newest first."""
    library, author = await _asked(request)
    found, following = await library.versions(author, name, limit, cursor)
    return Page(items=[PromptVersion.model_validate(version) for version in found], next_cursor=following)


@router.get(_VERSION, dependencies=_READ, summary="Get a version of a prompt")
async def get_version(request: Request, name: Name, number: Number) -> PromptVersion:
    """One text."""
    library, author = await _asked(request)
    return PromptVersion.model_validate(await library.version(author, name, number))


@router.post("/v1/prompts/{name}/render", dependencies=_READ, summary="Fill in a prompt")
async def render_prompt(request: Request, name: Name, body: RenderBody) -> RenderedPrompt:
    """A version's text with its variables filled in; every variable must be given, and no other."""
    library, author = await _asked(request)
    text, version = await library.render(author, name, body.variables, number=body.version, label=body.label)
    return RenderedPrompt(version=version, text=text)


@router.put(_LABEL, dependencies=_DEPLOY, summary="Deploy a version of a prompt")
async def deploy_version(request: Request, name: Name, label: Label, body: DeployBody) -> Prompt:
    """Have a version hold for a label. What is under `production` the platform uses, within five seconds."""
    library, author = await _asked(request)
    return Prompt.of(await library.deploy(author, name, label, body.version))


@router.delete(_LABEL, dependencies=_DEPLOY, summary="Take a label from a prompt")
async def withdraw_label(request: Request, name: Name, label: Label) -> Prompt:
    """Have nothing hold for a label any more; sound to repeat."""
    library, author = await _asked(request)
    return Prompt.of(await library.withdraw(author, name, label))


@router.post("/v1/prompts/{name}/labels/{label}/rollback", dependencies=_DEPLOY, summary="Roll a label back")
async def roll_back_label(request: Request, name: Name, label: Label) -> Prompt:
    """Have hold again what did before; repeated, what did before that."""
    library, author = await _asked(request)
    return Prompt.of(await library.roll_back(author, name, label))


@router.get("/v1/prompts/{name}/deployments", dependencies=_READ, summary="List what was deployed")
async def list_deployments(
    request: Request, name: Name, limit: Limit = 50, cursor: Cursor = None
) -> Page[PromptDeployment]:
    """All that was done to a prompt's labels, newest first."""
    library, author = await _asked(request)
    found, following = await library.deployments(author, name, limit, cursor)
    return Page(items=[PromptDeployment.model_validate(each) for each in found], next_cursor=following)


async def _asked(request: Request) -> tuple[PromptLibrary, Author]:
    """The use cases, and who asks; a superadmin names the tenant in `X-Tenant-Id`."""
    use: LlmOps = request.app.state.wiring
    tenant = await use.tenants.calling(tenant_named(request))
    return use.prompts, Author(tenant.id, principal().subject)


app = create_app(router, wire=llmops)
