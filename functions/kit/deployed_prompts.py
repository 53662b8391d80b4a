"""The prompts that tenants have deployed in place of the platform's own, as the prompt library publishes them."""

from collections.abc import Mapping
from dataclasses import dataclass

from functions.kit.database import Databases
from functions.kit.stale_cache import StaleCache

LABEL = "production"
# What the platform itself tells models and a tenant may word otherwise, each with the values that it must place.
PLATFORM_PROMPTS: Mapping[str, frozenset[str]] = {
    "knowledge.answer": frozenset({"abstention"}),
    "knowledge.follow-ups": frozenset(),
    "knowledge.rewrite": frozenset(),
}
_QUERY = """
    SELECT name, version, template FROM runtime.prompts
    WHERE tenant_id::text = $1 AND label = $2 AND name = ANY($3::text[])
"""


@dataclass(frozen=True, slots=True)
class DeployedPrompt:
    """A version of a prompt, as `functions.kit.prompt_templates` reads it."""

    version: int
    template: str


class DeployedPrompts:
    """Finds them, from memory for a few seconds and while the database is away."""

    def __init__(self, databases: Databases, *, fresh: float, stale: float) -> None:
        self._databases = databases
        self._cache: StaleCache[str, Mapping[str, DeployedPrompt]] = StaleCache(self._load, fresh=fresh, stale=stale)

    async def find(self, tenant_id: str, name: str) -> DeployedPrompt | None:
        """What the tenant has under the label `production` of one of `PLATFORM_PROMPTS`; None for the platform's own.

        Raises:
            DependencyUnavailable: the database is away and the tenant's prompts are not known from before.
        """
        return (await self._cache.get(tenant_id)).get(name)

    async def _load(self, tenant_id: str) -> Mapping[str, DeployedPrompt]:
        async with self._databases.acquire() as connection:
            rows = await connection.fetch(_QUERY, tenant_id, LABEL, list(PLATFORM_PROMPTS))
        return {row["name"]: DeployedPrompt(row["version"], row["template"]) for row in rows}
