"""Executions in the tenant's database."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import asyncpg

from functions.agents.core.models import (
    Execution,
    Interrupt,
    Limits,
    Options,
    Outcome,
    Place,
    Spent,
    Step,
    ToolUse,
)
from functions.agents.core.ports import Filter
from functions.kit.clock import rfc3339
from functions.kit.database import connection
from functions.kit.service_tokens import OnBehalf

_SPENT = ", ".join(Spent.__dataclass_fields__)
_ADDED = ", ".join(f"{name} = {name} + ${place}" for place, name in enumerate(Spent.__dataclass_fields__, 3))
_COLUMNS = f"""
    id::text, graph_id, status, run, input, tools, options, behalf, owner, output, error, interrupt, resume_from, steps,
    {_SPENT}, created_at, started_at, ended_at
"""
_ADD = """
    INSERT INTO executions (id, graph_id, status, run, input, tools, options, behalf, owner, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_FIND = f"SELECT {_COLUMNS} FROM executions WHERE id = $1"  # noqa: S608
_PAGE = f"""
    SELECT {_COLUMNS} FROM executions
    WHERE ($1::text IS NULL OR owner = $1) AND ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR graph_id = $3)
      AND ($4::uuid IS NULL OR id < $4)
    ORDER BY id DESC LIMIT $5
"""  # noqa: S608
_STEPS = f"""
    SELECT run, number, part, node, change, uses, {_SPENT}, started_at, ended_at FROM execution_steps
    WHERE execution_id = $1
"""  # noqa: S608
_REOPEN = """
    UPDATE executions SET status = 'requested', run = $2, resume_from = $3, options = $4, behalf = $5, output = NULL,
        error = NULL, interrupt = NULL, started_at = NULL, ended_at = NULL
    WHERE id = $1
"""
_TAKE_OVER = f"""
    INSERT INTO execution_steps (execution_id, run, number, part, node, change, uses, {_SPENT}, started_at, ended_at)
    SELECT execution_id, $2, number, part, node, change, uses, {_SPENT}, started_at, ended_at FROM execution_steps
    WHERE execution_id = $1 AND run = $2 - 1 AND number < $3
"""  # noqa: S608
_BEGIN = """
    UPDATE executions SET status = 'running', started_at = $3
    WHERE id = $1 AND run = $2 AND status = 'requested' RETURNING true
"""
_RECORD = f"""
    INSERT INTO execution_steps (execution_id, run, number, part, node, change, uses, {_SPENT}, started_at, ended_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING RETURNING true
"""  # noqa: S608
_COUNT = f"""
    UPDATE executions SET steps = steps + $2, {_ADDED}
    WHERE id = $1
"""  # noqa: S608
_WAIT = """
    UPDATE executions SET status = $3, interrupt = $4
    WHERE id = $1 AND run = $2 AND status IN ('running', 'waiting')
"""
_END = """
    UPDATE executions SET status = $3, output = $4, error = $5, interrupt = NULL, ended_at = $6
    WHERE id = $1 AND run = $2 AND ended_at IS NULL RETURNING true
"""


class PostgresExecutions:
    """Port `Executions`."""

    async def add(self, place: Place, execution: Execution) -> None:
        """Enter one."""
        await (await connection(place.database)).execute(
            _ADD,
            execution.id,
            execution.graph_id,
            execution.status,
            execution.run,
            execution.input,
            None if execution.tools is None else list(execution.tools),
            _options(execution.options),
            execution.behalf.fields(),
            execution.owner,
            execution.created_at,
        )

    async def find(self, place: Place, execution_id: str, *, lock: bool = False) -> Execution | None:
        """One."""
        query = f"{_FIND} FOR UPDATE" if lock else _FIND
        row = await (await connection(place.database)).fetchrow(query, execution_id)
        return _execution(row, place) if row else None

    async def page(self, place: Place, wanted: Filter, limit: int, before: str | None) -> Sequence[Execution]:
        """Those wanted, newest first."""
        session = await connection(place.database)
        rows = await session.fetch(_PAGE, wanted.owner, wanted.status, wanted.graph_id, before, limit)
        return [_execution(row, place) for row in rows]

    async def steps(self, place: Place, execution_id: str) -> Sequence[Step]:
        """The steps of all runs, in their order."""
        query = f"{_STEPS} ORDER BY run, number, part"
        return [_step(row) for row in await (await connection(place.database)).fetch(query, execution_id)]

    async def find_step(self, place: Place, execution_id: str, run: int, number: int) -> Step | None:
        """A step of a run."""
        query = f"{_STEPS} AND run = $2 AND number = $3 AND part = 0"
        row = await (await connection(place.database)).fetchrow(query, execution_id, run, number)
        return _step(row) if row else None

    async def reopen(self, place: Place, execution: Execution) -> None:
        """Have an execution run again; the steps before the one it begins at are its own from then on."""
        session = await connection(place.database)
        options, behalf = _options(execution.options), execution.behalf.fields()
        await session.execute(_REOPEN, execution.id, execution.run, execution.resume_from, options, behalf)
        await session.execute(_TAKE_OVER, execution.id, execution.run, execution.resume_from or 0)

    async def begin(self, place: Place, execution_id: str, run: int, at: datetime) -> bool:
        """Note that a run works."""
        return bool(await (await connection(place.database)).fetchval(_BEGIN, execution_id, run, at))

    async def record(self, place: Place, execution_id: str, step: Step) -> bool:
        """Note a step and what it used."""
        session = await connection(place.database)
        spent = list(step.spent.fields().values())
        is_new = await session.fetchval(
            _RECORD,
            execution_id,
            step.run,
            step.number,
            int(step.is_gate),
            step.node,
            step.update,
            [asdict(use) for use in step.uses],
            *spent,
            step.started_at,
            step.ended_at,
        )
        if is_new and not step.is_gate:
            await session.execute(_COUNT, execution_id, 1, *spent)
        return bool(is_new)

    async def wait(self, place: Place, execution_id: str, run: int, interrupt: Interrupt | None) -> None:
        """Note what a run waits for, or that it goes on."""
        status, told = ("waiting", _told(interrupt)) if interrupt else ("running", None)
        await (await connection(place.database)).execute(_WAIT, execution_id, run, status, told)

    async def end(self, place: Place, execution_id: str, run: int, outcome: Outcome, at: datetime) -> bool:
        """Note how a run ended."""
        session = await connection(place.database)
        return bool(await session.fetchval(_END, execution_id, run, outcome.status, outcome.output, outcome.error, at))


def _options(options: Options) -> dict[str, Any]:
    return asdict(options)


def _told(interrupt: Interrupt) -> dict[str, Any]:
    times = {"asked_at": rfc3339(interrupt.asked_at), "expires_at": rfc3339(interrupt.expires_at)}
    return {"id": interrupt.id, "kind": interrupt.kind, "asked": dict(interrupt.asked), **times}


def _interrupt(told: Mapping[str, Any]) -> Interrupt:
    times = (datetime.fromisoformat(told[name]) for name in ("asked_at", "expires_at"))
    return Interrupt(told["id"], told["kind"], told["asked"], *times)


def _execution(row: asyncpg.Record, place: Place) -> Execution:
    options = dict(row["options"])
    limits = Limits(**options.pop("limits"))
    return Execution(
        id=row["id"],
        graph_id=row["graph_id"],
        status=row["status"],
        input=row["input"],
        tools=row["tools"],
        options=Options(**{**options, "approve": tuple(options["approve"])}, limits=limits),
        behalf=OnBehalf.stored(row["behalf"], place.tenant_id),
        owner=row["owner"],
        created_at=row["created_at"],
        run=row["run"],
        output=row["output"],
        error=row["error"],
        interrupt=_interrupt(row["interrupt"]) if row["interrupt"] else None,
        spent=_spent(row),
        steps=row["steps"],
        resume_from=row["resume_from"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
    )


def _step(row: asyncpg.Record) -> Step:
    return Step(
        run=row["run"],
        number=row["number"],
        node=row["node"],
        update=row["change"],
        spent=_spent(row),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        uses=tuple(ToolUse(**use) for use in row["uses"]),
        is_gate=row["part"] == 1,
    )


def _spent(row: asyncpg.Record) -> Spent:
    return Spent(**{name: row[name] for name in Spent.__dataclass_fields__})
