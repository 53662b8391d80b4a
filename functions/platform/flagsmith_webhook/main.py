"""POST /v1/webhooks/flagsmith: a Flagsmith server says that a flag has changed there."""

from typing import Annotated

from fastapi import Header, Request

from functions.kit.app import create_app
from functions.kit.authorisation import PUBLIC, require
from functions.kit.routing import api_router
from functions.platform.core.flags_webhooks import SIGNATURE_HEADER
from functions.platform.wiring_flags import FlagPlatform, flag_platform

router = api_router()


@router.post(
    "/v1/webhooks/flagsmith", status_code=204, dependencies=[require(PUBLIC)], summary="Hear of a change in Flagsmith"
)
async def hear_flagsmith(
    request: Request, signature: Annotated[str, Header(alias=SIGNATURE_HEADER, max_length=200)] = ""
) -> None:
    """Ask Flagsmith again at once. The body is Flagsmith's environment webhook, signed with the secret we share."""
    use: FlagPlatform = request.app.state.wiring
    await use.hear_flagsmith(await request.body(), signature)


app = create_app(router, wire=flag_platform)
