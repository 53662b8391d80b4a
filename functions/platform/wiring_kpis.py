"""The composition root of key figures."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from functions.kit.runtime import Runtime
from functions.platform.adapters.postgres_kpis import PostgresKpis
from functions.platform.core.kpis import ReadKpis


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """The use cases."""

    read: ReadKpis


@asynccontextmanager
async def key_figures(_: Runtime) -> AsyncIterator[KeyFigures]:
    """Wire them."""
    yield KeyFigures(ReadKpis(PostgresKpis()))
