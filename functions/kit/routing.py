"""The route of every API: authenticates, authorises, replays or claims, and makes the request one unit of work."""

from collections.abc import Callable, Coroutine, Sequence
from functools import cached_property
from typing import Any, cast

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from functions.kit.audit import is_audited, record_of_success
from functions.kit.authorisation import PUBLIC, Requirement, abide_by, authorise
from functions.kit.context import current, identify
from functions.kit.database import UnitOfWork
from functions.kit.errors import Forbidden, Internal
from functions.kit.failures import as_dcoder_error, error_response
from functions.kit.headers import KitRequest
from functions.kit.idempotency import HEADER, Claim
from functions.kit.models import ApiModel
from functions.kit.policies.directory import following
from functions.kit.principal import Principal
from functions.kit.runtime import Runtime
from functions.kit.sse import EventStream

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class ErrorBody(ApiModel):
    """What went wrong; `code` is stable, `message` is for people."""

    code: str
    message: str
    details: dict[str, Any]


class ErrorEnvelope(ApiModel):
    """The body of every answer from 400 up."""

    error: ErrorBody


class KitRoute(APIRoute):
    """A FastAPI route that refuses to exist without a requirement."""

    def get_route_handler(self) -> Handler:
        """FastAPI's handler, wrapped."""
        handle = _handler(super().get_route_handler(), self.requirement())

        async def read(request: Request) -> Response:
            return await handle(KitRequest(request.scope, request.receive, request._send))  # noqa: SLF001

        return read

    @property
    def is_direct(self) -> bool:
        """Whether the endpoint takes the request and the principal alone, so that FastAPI has nothing to solve."""
        wanted = self.dependant
        others = (
            wanted.path_params,
            wanted.query_params,
            wanted.header_params,
            wanted.cookie_params,
            wanted.body_params,
        )
        return (
            wanted.request_param_name == "request"
            and [d.name for d in wanted.dependencies] == ["principal"]
            and self.response_model is None
            and not any(others)
        )

    def serve_directly(self, request: Request) -> Coroutine[Any, Any, Response]:
        """Serve a request without FastAPI in between; only for a direct route."""
        request.scope["route"] = self
        return self._direct(request)

    @cached_property
    def _direct(self) -> Handler:
        endpoint = self.endpoint

        def handle(request: Request) -> Coroutine[Any, Any, Response]:
            answering: Coroutine[Any, Any, Response] = endpoint(request=request, principal=current().principal)
            return answering

        return _handler(handle, self.requirement())

    def requirement(self) -> Requirement:
        """What a caller needs.

        Raises:
            TypeError: the route declares none.
        """
        found = list(_requirements(self.dependant))
        if len(found) != 1:
            raise TypeError(f"{self.path}: a route needs exactly one require(…), this one has {len(found)}")
        return found[0]


def api_router(errors: Any = ErrorEnvelope) -> APIRouter:
    """A router whose routes are the kit's.

    Args:
        errors: model of the body of every answer from 400 up, where it is not the platform's envelope alone.
    """
    documented = {"model": errors, "description": "The error envelope."}
    return APIRouter(route_class=KitRoute, responses={"default": documented})


def _requirements(dependant: Dependant) -> Sequence[Requirement]:
    return [d.call for d in dependant.dependencies if isinstance(d.call, Requirement)]


def _handler(handle: Handler, requirement: Requirement) -> Handler:
    action = requirement.action

    async def serve(request: Request) -> Response:
        runtime: Runtime = request.app.state["runtime"]
        try:
            principal = None if action == PUBLIC else await _admit(request, runtime, requirement)
            claim = await runtime.idempotency.claim(request, principal) if HEADER in request.headers else None
            if isinstance(claim, Response):
                await runtime.audit.note_replay(request, action, claim)
                return claim
            if claim is None:
                async with UnitOfWork(runtime.databases) as uow:
                    answer = _settled(uow, await handle(request), request, action)
            else:
                async with runtime.idempotency.held(claim):
                    answer = await _claimed(runtime, request, handle, claim, action)
            if answer.status_code >= 400:
                await runtime.audit.note_error(request, action, answer.status_code, None)
        except Exception as error:
            known = as_dcoder_error(error)
            await runtime.audit.note_error(request, action, known.status, known.code)
            raise
        return answer

    return serve


async def _admit(request: Request, runtime: Runtime, requirement: Requirement) -> Principal:
    headers = request.headers
    principal = await runtime.authenticator.authenticate(headers, method=request.method)
    identify(principal)
    if not principal.is_superadmin:
        tenant_id = principal.tenant_id
        if headers.get("x-tenant-id", tenant_id) != tenant_id:
            raise Forbidden("X-Tenant-Id is not the credential's tenant")
        if tenant_id is not None:
            abide_by(await (await runtime.wired(following)).of(tenant_id))
    authorise(principal, requirement.action, request.path_params.get("tenantId"), requirement.resource_of(request))
    return principal


def _settled(uow: UnitOfWork, answer: Response, request: Request, action: str) -> Response:
    if answer.status_code >= 400:
        uow.abandon()
    elif is_audited(request.method, action):
        uow.record(record_of_success(request, action, answer))
    return answer


async def _claimed(runtime: Runtime, request: Request, handle: Handler, claim: Claim, action: str) -> Response:
    """Serve under a claimed Idempotency-Key: its record commits with the fact, or is settled after the rollback."""
    try:
        async with UnitOfWork(runtime.databases) as uow:
            answer = _settled(uow, await handle(request), request, action)
            if isinstance(answer, EventStream):
                raise Internal("a streamed answer cannot be replayed")
            if answer.status_code < 400:
                await runtime.idempotency.complete(claim, answer)
                return answer
    except BaseException as error:
        known = as_dcoder_error(error)
        await runtime.idempotency.settle_failure(claim, error_response(known))
        raise
    await runtime.idempotency.settle_failure(claim, answer)
    return answer


def requirement_of(route: object) -> Requirement:
    """The requirement of a route, for tests and generated documents."""
    return cast("KitRoute", route).requirement()
