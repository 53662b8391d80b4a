"""POST /v1/webhooks/logto: Logto says what became of accounts and organisations."""

from typing import Annotated, Literal

from fastapi import Header, Request
from starlette.responses import Response

from functions.kit.app import create_app
from functions.kit.audit import record_of_success
from functions.kit.authorisation import PUBLIC, require
from functions.kit.context import identify
from functions.kit.database import unit_of_work
from functions.kit.models import ApiModel
from functions.kit.principal import Principal
from functions.kit.routing import api_router
from functions.platform.core.logto_webhook import SIGNATURE_HEADER
from functions.platform.wiring_lifecycle import Lifecycle, lifecycle

router = api_router()

_LOGTO = Principal("logto", "service", None, frozenset())


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
    heard = Heard.model_validate(await use.hear_logto(await request.body(), signature))
    if heard.outcome == "applied":
        # The signature is Logto's credential: what it changes is recorded as anybody's changes are.
        identify(_LOGTO)
        unit_of_work().record(record_of_success(request, "accounts:follow", Response(status_code=200)))
    return heard


app = create_app(router, wire=lifecycle)
