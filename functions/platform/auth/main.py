"""/v1/auth: browsers sign in with the identity provider, ask who they are, and sign out."""

import re
import secrets
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from fastapi import Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from functions.kit.app import create_app
from functions.kit.audit import record_of_success
from functions.kit.authorisation import PUBLIC, require
from functions.kit.context import current, identify
from functions.kit.database import unit_of_work
from functions.kit.errors import DcoderError, DependencyUnavailable, Unauthenticated
from functions.kit.principal import Principal
from functions.kit.routing import api_router
from functions.kit.runtime import Runtime
from functions.kit.session_store import Session, SessionId
from functions.platform.auth.schemas import Me, SignedOut, SignOutBody
from functions.platform.core.sign_in import ProviderAnswer
from functions.platform.core.sign_in_errors import ReturnRefused
from functions.platform.wiring_sign_in import SignIn, sign_in

router = api_router()

_PATH = "/v1/auth"
_BROWSER = "dcoder_sign_in"
_RETURN = "dcoder_signed_out"
_BROWSER_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_MINUTES = 10
# As the audit trail names them.
_SIGN_IN, _SIGN_OUT = "auth:sign-in", "auth:sign-out"
_Parameter = Query(max_length=2048)


@router.get(f"{_PATH}/login", dependencies=[require(PUBLIC)], summary="Sign in", status_code=302)
async def login(
    request: Request,
    return_to: Annotated[str, Query(alias="returnTo", max_length=2048)] = "/",
    organization: Annotated[str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")] = None,
) -> Response:
    """Send the browser to the identity provider. `organization` chooses among those the account is in."""
    use: SignIn = request.app.state.wiring
    # Kept over several tabs, so that each can finish.
    known = request.cookies.get(_BROWSER, "")
    browser = known if _BROWSER_SECRET.fullmatch(known) else secrets.token_urlsafe(32)
    answer = RedirectResponse(await use.begin(browser, return_to, organization), status_code=302)
    _set(request, answer, _BROWSER, browser)
    return answer


@router.get(f"{_PATH}/callback", dependencies=[require(PUBLIC)], summary="Return from the identity provider")
async def callback(
    request: Request,
    state: Annotated[str, _Parameter] = "",
    code: Annotated[str, _Parameter] = "",
    error: Annotated[str, _Parameter] = "",
    iss: Annotated[str, _Parameter] = "",
) -> Response:
    """Begin a session and send the browser to where it came from, with `signInError=<code>` where that was refused."""
    use: SignIn = request.app.state.wiring
    runtime: Runtime = request.app.state.runtime
    browser = request.cookies.get(_BROWSER, "")
    pending = await use.complete.pending(browser, state)
    try:
        signed_in = await use.complete(browser, pending, ProviderAnswer(state, code, error, iss))
    except DependencyUnavailable:
        raise
    except DcoderError as refusal:
        unit_of_work().abandon()
        await runtime.audit.note_error(request, _SIGN_IN, refusal.status, refusal.code)
        return RedirectResponse(_with_error(pending.return_to, refusal.code), status_code=302)
    answer = RedirectResponse(signed_in.return_to, status_code=302)
    # A session that this browser had before would live on unseen.
    if former := runtime.sessions.id_in(request.headers):
        await runtime.sessions.store.end(former)
    answer.set_cookie(
        runtime.sessions.cookie_name,
        signed_in.session_id.value,
        path="/",
        secure=runtime.sessions.secure,
        httponly=True,
        samesite="lax",
    )
    identify(_who(runtime, signed_in.session))
    if current().tenant_id is None:
        # Operators come in while the database is away; the record then waits for it.
        await runtime.audit.note_success(request, _SIGN_IN, answer)
    else:
        unit_of_work().record(record_of_success(request, _SIGN_IN, answer))
    return answer


@router.get(f"{_PATH}/me", dependencies=[require(PUBLIC)], summary="Who am I")
async def me(request: Request) -> Me:
    """The caller, with any kind of credential; for a session the token that changes must carry, too."""
    runtime: Runtime = request.app.state.runtime
    caller = await runtime.authenticator.authenticate(request.headers, method=request.method)
    known = Me(
        subject=caller.subject,
        kind=caller.kind,
        user_id=caller.user_id,
        tenant_id=caller.tenant_id,
        roles=sorted(caller.roles),
        groups=sorted(caller.groups),
    )
    session_id = _session_of(request)
    session = await runtime.sessions.store.find(session_id) if session_id else None
    if session_id is None or session is None:
        return known
    ends_at = datetime.fromtimestamp(runtime.sessions.store.ends_at(session), UTC)
    more = {"name": session.name, "email": session.email, "csrf_token": session_id.csrf_token}
    return known.model_copy(update={**more, "session_ends_at": ends_at})


@router.post(f"{_PATH}/logout", dependencies=[require(PUBLIC)], summary="Sign out", response_model=SignedOut)
async def logout(request: Request, body: SignOutBody | None = None) -> Response:
    """End the session here; `logoutUrl` is where the browser then ends the one with the identity provider."""
    use: SignIn = request.app.state.wiring
    runtime: Runtime = request.app.state.runtime
    session_id = _session_of(request)
    if session_id is None:
        raise Unauthenticated("there is no session to end")
    session = await runtime.sessions.open(session_id, request.headers, request.method)
    return_to = body.return_to if body else "/"
    if not runtime.sessions.origins.allows_return(return_to):
        raise ReturnRefused("returnTo must be a path of the platform or an address of an allowed origin")
    url = await use.sign_out(session_id, session)
    answer = JSONResponse(SignedOut(logout_url=url).model_dump(by_alias=True))
    answer.delete_cookie(
        runtime.sessions.cookie_name, path="/", secure=runtime.sessions.secure, httponly=True, samesite="lax"
    )
    _set(request, answer, _RETURN, return_to)
    identify(_who(runtime, session))
    await runtime.audit.note_success(request, _SIGN_OUT, answer)
    return answer


@router.get(f"{_PATH}/signed-out", dependencies=[require(PUBLIC)], summary="Return after sign-out", status_code=302)
async def signed_out(request: Request) -> Response:
    """Send the browser to where it was to go after sign-out."""
    runtime: Runtime = request.app.state.runtime
    wanted = request.cookies.get(_RETURN, "/")
    target = wanted if runtime.sessions.origins.allows_return(wanted) else "/"
    answer = RedirectResponse(target, status_code=302)
    answer.delete_cookie(_RETURN, path=_PATH)
    return answer


def _who(runtime: Runtime, session: Session) -> Principal:
    """Whose session it is, by what the provider says."""
    claims = session.claims
    return Principal(session.subject, "user", runtime.tokens.tenant_in(claims), runtime.tokens.roles_in(claims))


def _session_of(request: Request) -> SessionId | None:
    """The session that speaks for the request; none where another credential does."""
    if request.headers.get("authorization") or request.headers.get("x-api-key"):
        return None
    runtime: Runtime = request.app.state.runtime
    return runtime.sessions.id_in(request.headers)


def _set(request: Request, answer: Response, name: str, value: str) -> None:
    runtime: Runtime = request.app.state.runtime
    answer.set_cookie(
        name, value, max_age=_MINUTES * 60, path=_PATH, secure=runtime.sessions.secure, httponly=True, samesite="lax"
    )


def _with_error(target: str, code: str) -> str:
    parts = urlsplit(target)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), ("signInError", code)])
    return urlunsplit(parts._replace(query=query))


app = create_app(router, wire=sign_in)
