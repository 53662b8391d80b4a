"""What `dcoder status` says."""

from typing import Any

from rich.console import Console
from rich.table import Table

from local.embedded.external import address
from local.embedded.processes import memory_mb
from local.embedded.stack import Stack
from local.embedded.state import ComponentState, StackState
from local.paths import Home

Report = dict[str, Any]


def report(home: Home) -> Report:
    """The stack's addresses, components and credentials; all empty when it does not run."""
    state = StackState.read(home.state) if home.exists else None
    if state is None or not state.is_supervised():
        return {
            "edge": None,
            "edgeTls": None,
            "home": str(home.root),
            "ready": False,
            "components": {},
            "credentials": {},
        }
    stack = Stack.existing(home)
    supervisor = state.supervisor.identity()
    components = {name: _component(part) for name, part in state.components.items() if not part.is_job}
    return {
        **stack.addresses(),
        "home": str(home.root),
        "ready": state.is_ready and all(part["healthy"] for part in components.values()),
        "components": components,
        "external": {name: address(url) for name, url in stack.external.items()},
        "jobs": {name: _job(part) for name, part in state.components.items() if part.is_job},
        "supervisor": {"pid": supervisor.pid, "memoryMb": memory_mb(supervisor, family=False)},
        "credentials": stack.disclosed(),
    }


def _component(part: ComponentState) -> Report:
    identity = part.process.identity() if part.process else None
    alive = identity is not None and identity.is_alive()
    return {
        "address": part.address,
        "version": part.version,
        "healthy": part.is_good and alive,
        "pid": identity.pid if identity and alive else None,
        "memoryMb": memory_mb(identity) if identity else 0.0,
        "phase": part.phase,
        "restarts": part.restarts,
        "detail": part.detail,
    }


def _job(part: ComponentState) -> Report:
    return {"done": part.is_good, "milliseconds": part.milliseconds, "detail": part.detail}


def show(status: Report, console: Console) -> None:
    """Print a report for people."""
    if not status["components"]:
        console.print("not running")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("component", "version", "address", "pid", "MiB", "restarts", ""):
        table.add_column(title, justify="right" if title in {"pid", "MiB", "restarts"} else "left")
    for name, part in status["components"].items():
        mark = "[green]healthy[/]" if part["healthy"] else f"[red]{part['phase']}[/] {part['detail']}"
        pid, memory = str(part["pid"] or ""), f"{part['memoryMb']:.0f}"
        table.add_row(name, part["version"], part["address"], pid, memory, str(part["restarts"]), mark)
    console.print(table)
    total = sum(part["memoryMb"] for part in status["components"].values()) + status["supervisor"]["memoryMb"]
    for name, place in status["external"].items():
        console.print(f"{name:<10} of others, at {place}")
    for name, job in status["jobs"].items():
        if not job["done"]:
            console.print(f"[red]✗[/] {name}: {job['detail'] or 'not done'}")
    secrets = status["credentials"]
    console.print(f"\nedge     {status['edge']}  {status['edgeTls']}")
    console.print(f"sign in  {status['edge']}/v1/auth/login")
    console.print(f"         {secrets['superadminEmail']}  {secrets['superadminPassword']}")
    console.print(f"memory   {total:.0f} MiB   state in {status['home']}")
    console.print("[green]ready[/]" if status["ready"] else "[red]not ready[/]")
