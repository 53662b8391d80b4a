"""The simulator's own API: faults, bills, requests, health."""

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.simulator.exchange import Simulator
from local.simulator.faults import FaultRule


async def add_fault(request: Request) -> Response:
    """`POST /_sim/faults`: queue a rule."""
    try:
        rule = FaultRule.model_validate_json(await request.body())
    except ValidationError as error:
        return JSONResponse({"error": error.errors(include_url=False, include_context=False)}, status_code=400)
    faults = _simulator(request).faults
    faults.add(rule)
    return JSONResponse({"faults": faults.report()}, status_code=201)


async def list_faults(request: Request) -> Response:
    """`GET /_sim/faults`: the rules that are left."""
    return JSONResponse({"faults": _simulator(request).faults.report()})


async def clear_faults(request: Request) -> Response:
    """`DELETE /_sim/faults?key=`: forget rules."""
    _simulator(request).faults.clear(request.query_params.get("key"))
    return Response(status_code=204)


async def usage(request: Request) -> Response:
    """`GET /_sim/usage?key=`: what was billed."""
    return JSONResponse(_simulator(request).ledger.report(request.query_params.get("key")))


async def reset_usage(request: Request) -> Response:
    """`DELETE /_sim/usage?key=`: forget bills."""
    _simulator(request).ledger.reset(request.query_params.get("key"))
    return Response(status_code=204)


async def requests(request: Request) -> Response:
    """`GET /_sim/requests?key=`: the last 100 requests."""
    return JSONResponse({"requests": _simulator(request).journal.report(request.query_params.get("key"))})


async def clear_requests(request: Request) -> Response:
    """`DELETE /_sim/requests`: forget requests."""
    _simulator(request).journal.clear()
    return Response(status_code=204)


async def live(_request: Request) -> Response:
    """The process runs and its loop turns."""
    return JSONResponse({"status": "ok", "checks": {}})


async def ready(request: Request) -> Response:
    """Ready once the embedding model is loaded; degraded, and still ready, when there is none."""
    status, detail = await _simulator(request).engine.status()
    check = {"status": status} | ({"detail": detail} if detail else {})
    overall = "down" if status == "loading" else status
    return JSONResponse(
        {"status": overall, "checks": {"embeddings": check}}, status_code=503 if overall == "down" else 200
    )


def _simulator(request: Request) -> Simulator:
    simulator: Simulator = request.app.state.simulator
    return simulator


ROUTES = [
    Route("/_sim/faults", add_fault, methods=["POST"]),
    Route("/_sim/faults", list_faults, methods=["GET"]),
    Route("/_sim/faults", clear_faults, methods=["DELETE"]),
    Route("/_sim/usage", usage, methods=["GET"]),
    Route("/_sim/usage", reset_usage, methods=["DELETE"]),
    Route("/_sim/requests", requests, methods=["GET"]),
    Route("/_sim/requests", clear_requests, methods=["DELETE"]),
    Route("/health/live", live, methods=["GET"]),
    Route("/health/ready", ready, methods=["GET"]),
]
