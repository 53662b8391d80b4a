"""Flagsmith's SDK API: /api/v1/flags/, /identities/, /environment-document/ and /analytics/flags/.

Official clients work with it unchanged. The edge asks for no credential: `X-Environment-Key` is judged here.
"""

from typing import Annotated, Any

from fastapi import Body, Depends, Header, Query, Request, Response
from prometheus_client import Counter
from pydantic import Field

from functions.kit.app import create_app
from functions.kit.authorisation import PUBLIC, require
from functions.kit.errors import Unauthenticated
from functions.kit.routing import api_router
from functions.platform.core.flags_sdk import SdkEnvironment
from functions.platform.flagsmith_sdk.schemas import Identifier, SdkFlag, SdkIdentity, SdkIdentityRequest
from functions.platform.wiring_flags import FlagPlatform, flag_platform

EVALUATIONS = Counter("dcoder_flag_evaluations_total", "Evaluations that SDKs report.", ["flag"])
_UPDATED_AT = "X-Flagsmith-Document-Updated-At"
_LARGEST_COUNT = 1_000_000_000

router = api_router()


async def environment(
    request: Request, key: Annotated[str, Header(alias="X-Environment-Key", max_length=200)] = ""
) -> SdkEnvironment:
    """The environment that the request's key opens."""
    if not key:
        raise Unauthenticated("an environment key is required")
    use: FlagPlatform = request.app.state.wiring
    return await use.open_environment(key)


Environment = Annotated[SdkEnvironment, Depends(environment)]


@router.get("/api/v1/flags/", dependencies=[require(PUBLIC)], summary="Flags of the environment")
async def sdk_flags(
    request: Request,
    opened: Environment,
    response: Response,
    feature: Annotated[str | None, Query(max_length=200)] = None,
) -> list[SdkFlag] | SdkFlag:
    """All flags, or the one that `feature` names."""
    use: FlagPlatform = request.app.state.wiring
    _stamp(response, use)
    flags = [SdkFlag.model_validate(flag) for flag in use.sdk.flags(opened, feature)]
    return flags if feature is None else flags[0]


@router.get("/api/v1/identities/", dependencies=[require(PUBLIC)], summary="Flags of an identity")
async def sdk_get_identity(
    request: Request, opened: Environment, response: Response, identifier: Annotated[Identifier, Query()]
) -> SdkIdentity:
    """An identity's flags, without traits."""
    return _identity(request, response, opened, SdkIdentityRequest(identifier=identifier))


@router.post("/api/v1/identities/", dependencies=[require(PUBLIC)], summary="Flags of an identity with traits")
async def sdk_post_identity(
    request: Request, opened: Environment, response: Response, body: SdkIdentityRequest
) -> SdkIdentity:
    """An identity's flags. Its traits count for this call."""
    return _identity(request, response, opened, body)


@router.get("/api/v1/environment-document/", dependencies=[require(PUBLIC)], summary="For local evaluation")
async def sdk_environment_document(request: Request, opened: Environment, response: Response) -> dict[str, Any]:
    """The environment, for SDKs that evaluate by themselves; for a tenant's key, as it is for that tenant."""
    use: FlagPlatform = request.app.state.wiring
    _stamp(response, use)
    return dict(use.sdk.document(opened))


@router.post("/api/v1/analytics/flags/", dependencies=[require(PUBLIC)], summary="Count evaluations")
async def sdk_analytics(
    request: Request,
    opened: Environment,  # noqa: ARG001 - the key must be right
    counts: Annotated[dict[str, Annotated[int, Field(ge=0, le=_LARGEST_COUNT)]], Body(max_length=1000)],
) -> Response:
    """Take a client's counts of evaluations into the metrics; those of unknown flags are dropped."""
    use: FlagPlatform = request.app.state.wiring
    for name, count in use.sdk.known(counts).items():
        EVALUATIONS.labels(name).inc(count)
    return Response(status_code=200)


def _identity(request: Request, response: Response, opened: SdkEnvironment, wanted: SdkIdentityRequest) -> SdkIdentity:
    use: FlagPlatform = request.app.state.wiring
    _stamp(response, use)
    traits = wanted.given()
    return SdkIdentity(
        identifier=wanted.identifier,
        flags=[SdkFlag.model_validate(flag) for flag in use.sdk.identity_flags(opened, wanted.identifier, traits)],
        traits=[{"trait_key": key, "trait_value": value} for key, value in traits.items()],
    )


def _stamp(response: Response, use: FlagPlatform) -> None:
    response.headers[_UPDATED_AT] = str(use.flags.document.updated_at.timestamp())


app = create_app(router, wire=flag_platform)
