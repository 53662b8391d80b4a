"""GET and PUT /v1/flags."""

from fastapi import Request

from functions.kit.app import create_app
from functions.kit.authorisation import require
from functions.kit.context import current
from functions.kit.routing import api_router
from functions.platform.flags.schemas import FlagItem, FlagList
from functions.platform.platform_flags.schemas import PutPlatformFlagsBody
from functions.platform.wiring_flags import FlagPlatform, flag_platform

router = api_router()


@router.get("/v1/flags", dependencies=[require("platform-flags:read")], summary="Get the platform's flags")
async def get_platform_flags(request: Request) -> FlagList:
    """What every flag is where no tenant's override applies."""
    use: FlagPlatform = request.app.state.wiring
    return FlagList(items=[FlagItem.model_validate(flag) for flag in await use.read_platform()])


@router.put("/v1/flags", dependencies=[require("platform-flags:write")], summary="Set the platform's flags")
async def put_platform_flags(request: Request, body: PutPlatformFlagsBody) -> FlagList:
    """Set defaults for all tenants, for a share of them or of their users. Live everywhere in two seconds."""
    use: FlagPlatform = request.app.state.wiring
    principal = current().principal
    found = await use.put_platform(body.changes(), by=principal.subject if principal else "")
    return FlagList(items=[FlagItem.model_validate(flag) for flag in found])


app = create_app(router, wire=flag_platform)
