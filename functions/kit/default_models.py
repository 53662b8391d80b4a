"""The models that tenants have chosen as their defaults, as the platform context publishes them."""

from functions.kit.database import Databases
from functions.kit.errors import Unprocessable
from functions.kit.stale_cache import StaleCache

_QUERY = """
    SELECT name || '/' || default_model FROM runtime.providers
    WHERE tenant_id::text = $1 AND default_model IS NOT NULL ORDER BY position, name LIMIT 1
"""


class NoDefaultModel(Unprocessable):
    """No model was named, and the tenant has not chosen one."""

    code = "no_default_model"


class DefaultModels:
    """Finds them, from memory for a few seconds and while the database is away."""

    def __init__(self, databases: Databases, *, fresh: float, stale: float) -> None:
        self._cache: StaleCache[str, str | None] = StaleCache(self._load, fresh=fresh, stale=stale)
        self._databases = databases

    async def chat(self, tenant_id: str) -> str:
        """The default model of the tenant's first provider that has one, as the gateway names it.

        Raises:
            NoDefaultModel: the tenant has not chosen one.
            DependencyUnavailable: the database is away and the tenant's choice is not known from before.
        """
        model = await self._cache.get(tenant_id)
        if model is None:
            raise NoDefaultModel("name a model, or set `defaultModel` of one of the tenant's providers")
        return model

    async def _load(self, tenant_id: str) -> str | None:
        async with self._databases.acquire() as connection:
            model: str | None = await connection.fetchval(_QUERY, tenant_id)
            return model
