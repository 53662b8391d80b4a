"""The prompt library in the platform database."""

from collections.abc import Sequence

import asyncpg

from functions.kit.database import connection
from functions.llmops.core.errors import PromptNameTaken
from functions.llmops.core.models import Deployment, Prompt, Version

_PROMPTS = """
    SELECT p.id::text, p.tenant_id::text, p.name, p.description, p.latest, p.created_by, p.created_at,
           coalesce((SELECT jsonb_object_agg(r.label, r.version) FROM runtime.prompts r
                     WHERE r.tenant_id = p.tenant_id AND r.name = p.name), '{}') AS labels
    FROM prompts p
"""
_ADD = """
    INSERT INTO prompts (id, tenant_id, name, description, latest, created_by, created_at)
    VALUES ($1, $2::text::uuid, $3, $4, $5, $6, $7)
"""
_FIND = f"{_PROMPTS} WHERE p.tenant_id::text = $1 AND p.name = $2"
_LOCK = "SELECT FROM prompts WHERE tenant_id::text = $1 AND name = $2 FOR UPDATE"
_PAGE = f"{_PROMPTS} WHERE p.tenant_id::text = $1 AND ($2::text IS NULL OR p.name > $2) ORDER BY p.name LIMIT $3"
_ADD_VERSION = """
    WITH counted AS (UPDATE prompts SET latest = $2 WHERE id = $1)
    INSERT INTO prompt_versions (prompt_id, number, template, variables, note, created_by, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_VERSION = "number, template, variables, note, created_by, created_at"
_ONE_VERSION = f"SELECT {_VERSION} FROM prompt_versions WHERE prompt_id = $1 AND number = $2"  # noqa: S608
_VERSIONS = f"""
    SELECT {_VERSION} FROM prompt_versions WHERE prompt_id = $1 AND ($2::int IS NULL OR number < $2)
    ORDER BY number DESC LIMIT $3
"""  # noqa: S608
_DEPLOYMENT = "d.id::text, d.label, d.version, d.previous_id::text, d.created_by, d.created_at"
_DEPLOYED = f"""
    SELECT {_DEPLOYMENT} FROM prompt_labels l JOIN prompt_deployments d ON d.id = l.deployment_id
    WHERE l.prompt_id = $1 AND l.label = $2
"""  # noqa: S608
_ONE_DEPLOYMENT = f"SELECT {_DEPLOYMENT} FROM prompt_deployments d WHERE d.prompt_id = $1 AND d.id = $2"  # noqa: S608
_DEPLOYMENTS = f"""
    SELECT {_DEPLOYMENT} FROM prompt_deployments d WHERE d.prompt_id = $1 AND ($2::text IS NULL OR d.id::text < $2)
    ORDER BY d.id DESC LIMIT $3
"""  # noqa: S608
_DEPLOY = """
    INSERT INTO prompt_deployments (id, prompt_id, label, version, previous_id, created_by, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_POINT = """
    INSERT INTO prompt_labels (prompt_id, label, deployment_id) VALUES ($1, $2, $3)
    ON CONFLICT (prompt_id, label) DO UPDATE SET deployment_id = excluded.deployment_id
"""


class PostgresPrompts:
    """Port `Prompts`."""

    async def count(self, tenant_id: str) -> int:
        """How many a tenant has."""
        query = "SELECT count(*) FROM prompts WHERE tenant_id::text = $1"
        return int(await (await connection()).fetchval(query, tenant_id))

    async def add(self, prompt: Prompt) -> None:
        """Enter a prompt."""
        try:
            await (await connection()).execute(
                _ADD,
                prompt.id,
                prompt.tenant_id,
                prompt.name,
                prompt.description,
                prompt.latest,
                prompt.created_by,
                prompt.created_at,
            )
        except asyncpg.UniqueViolationError as error:
            raise PromptNameTaken("there is a prompt of this name", details={"field": "name"}) from error

    async def find(self, tenant_id: str, name: str, *, lock: bool = False) -> Prompt | None:
        """The prompt of that name."""
        session = await connection()
        if lock:
            # First by itself: what a statement that waits for a lock reads of other tables is from before it waited.
            await session.execute(_LOCK, tenant_id, name)
        row = await session.fetchrow(_FIND, tenant_id, name)
        return Prompt(**row) if row else None

    async def page(self, tenant_id: str, limit: int, after: str | None) -> Sequence[Prompt]:
        """A tenant's prompts by name."""
        return [Prompt(**row) for row in await (await connection()).fetch(_PAGE, tenant_id, after, limit)]

    async def remove(self, prompt: Prompt) -> None:
        """Remove a prompt with its versions and its history."""
        await (await connection()).execute("DELETE FROM prompts WHERE id = $1", prompt.id)

    async def add_version(self, prompt: Prompt, version: Version) -> None:
        """Enter a version."""
        await (await connection()).execute(
            _ADD_VERSION,
            prompt.id,
            version.number,
            version.template,
            list(version.variables),
            version.note,
            version.created_by,
            version.created_at,
        )

    async def version(self, prompt: Prompt, number: int) -> Version | None:
        """The version of that number."""
        row = await (await connection()).fetchrow(_ONE_VERSION, prompt.id, number)
        return Version(**row) if row else None

    async def versions(self, prompt: Prompt, limit: int, before: int | None) -> Sequence[Version]:
        """A prompt's versions, newest first."""
        return [Version(**row) for row in await (await connection()).fetch(_VERSIONS, prompt.id, before, limit)]

    async def deployed(self, prompt: Prompt, label: str) -> Deployment | None:
        """What was last done to a label."""
        row = await (await connection()).fetchrow(_DEPLOYED, prompt.id, label)
        return Deployment(**row) if row else None

    async def deployment(self, prompt: Prompt, deployment_id: str) -> Deployment | None:
        """The deployment of that id."""
        row = await (await connection()).fetchrow(_ONE_DEPLOYMENT, prompt.id, deployment_id)
        return Deployment(**row) if row else None

    async def deploy(self, prompt: Prompt, deployment: Deployment) -> None:
        """Enter a deployment."""
        session = await connection()
        await session.execute(
            _DEPLOY,
            deployment.id,
            prompt.id,
            deployment.label,
            deployment.version,
            deployment.previous_id,
            deployment.created_by,
            deployment.created_at,
        )
        await session.execute(_POINT, prompt.id, deployment.label, deployment.id)

    async def deployments(self, prompt: Prompt, limit: int, before: str | None) -> Sequence[Deployment]:
        """All that was done to a prompt's labels, newest first."""
        rows = await (await connection()).fetch(_DEPLOYMENTS, prompt.id, before, limit)
        return [Deployment(**row) for row in rows]
