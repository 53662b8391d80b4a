"""POST /v1/webhooks/logto: Logto says what became of accounts and organisations."""

from typing import Annotated, Literal

from fastapi import Header, Request

from functions.kit.app import create_app
from functions.kit.authorisation import PUBLIC, require
from functions.kit.models import ApiModel
from functions.kit.routing import api_router
from functions.platform.core.logto_webhook import SIGNATURE_HEADER
from functions.platform.wiring_lifecycle import Lifecycle, lifecycle

router = api_router()


class Heard(ApiModel):
    """What came of the delivery; Logto shows it in the webhook's log."""

    outcome: Literal["applied", "repeated", "ignored"]
    reason: str | None


@router.post(
    "/v1/webhooks/logto", dependencies=[require(PUBLIC)], summary="Hear of accounts and organisations in Logto"
)
async def hear_logto(
    request: Request, signature: Annotated[str, Header(alias=SIGNATURE_HEADER, max_length=200)] = ""
) -> Heard:
    """Register, suspend, correct and remove users as Logto says. The body is Logto's, signed with the webhook's key."""
    use: Lifecycle = request.app.state.wiring
    return Heard.model_validate(await use.hear_logto(await request.body(), signature))


app = create_app(router, wire=lifecycle)
