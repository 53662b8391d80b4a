"""What the simulated providers billed, per API key and model."""

from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic.alias_generators import to_camel


@dataclass(slots=True)
class Account:
    """Counts of one key, or of one model of a key.

    Attributes:
        failed_calls: calls answered with an error or a damaged body; nothing is billed for them.
        cancelled_streams: streams whose client left before the end; billed up to there.
    """

    chat_calls: int = 0
    embedding_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_prompt_tokens: int = 0
    cache_write_tokens: int = 0
    embedding_tokens: int = 0
    cancelled_streams: int = 0
    failed_calls: int = 0

    def as_json(self) -> dict[str, Any]:
        """The counts in camelCase, with `calls` as the sum of both kinds."""
        counts = {to_camel(name): value for name, value in asdict(self).items()}
        return {**counts, "calls": self.chat_calls + self.embedding_calls}


@dataclass(slots=True)
class _Key:
    total: Account = field(default_factory=Account)
    models: dict[str, Account] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bill:
    """An open bill: each amount goes to the key's total and to its model."""

    accounts: tuple[Account, Account]

    def chat(self, prompt_tokens: int, cached: int = 0, written: int = 0) -> None:
        """Bill a chat call and its prompt, of which the cache had some and keeps some."""
        for account in self.accounts:
            account.chat_calls += 1
            account.prompt_tokens += prompt_tokens
            account.cached_prompt_tokens += cached
            account.cache_write_tokens += written

    def completion(self, tokens: int) -> None:
        """Bill generated tokens."""
        for account in self.accounts:
            account.completion_tokens += tokens

    def embeddings(self, tokens: int) -> None:
        """Bill an embedding call and its input."""
        for account in self.accounts:
            account.embedding_calls += 1
            account.embedding_tokens += tokens

    def cancelled(self) -> None:
        """Note that the client left before the stream's end."""
        for account in self.accounts:
            account.cancelled_streams += 1


class Ledger:
    """All bills since the start or the last reset."""

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}

    def open(self, key: str, model: str) -> Bill:
        """The bill for one call. A reset meanwhile forgets what is billed on it later."""
        entry = self._keys.setdefault(key, _Key())
        return Bill((entry.total, entry.models.setdefault(model, Account())))

    def failed(self, key: str) -> None:
        """Note a call that got an error; it costs nothing."""
        self._keys.setdefault(key, _Key()).total.failed_calls += 1

    def report(self, key: str | None = None) -> dict[str, Any]:
        """The answer of `GET /_sim/usage`, for all keys or for one."""
        chosen = self._keys if key is None else {key: self._keys.get(key, _Key())}
        return {"keys": {name: _entry(entry) for name, entry in chosen.items()}}

    def reset(self, key: str | None = None) -> None:
        """Forget what was billed, for all keys or for one."""
        if key is None:
            self._keys.clear()
        else:
            self._keys.pop(key, None)


def _entry(entry: _Key) -> dict[str, Any]:
    by_model = {model: account.as_json() for model, account in entry.models.items()}
    return {**entry.total.as_json(), "byModel": by_model}
