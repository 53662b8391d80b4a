"""Which limits apply to a call, what to hold of them before it, and what to add to them after. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from functions.kit.quotas import Metric, Span, SubjectKind, Window, counter_key, spans_at
from functions.kit.subjects import UsageRecord

_LONGEST_FIRST: dict[Window, int] = {"month": 0, "day": 1, "minute": 2}
# Cost is reckoned in thousandths of a micro-dollar: prices per token are no whole micro-dollars.
SCALES: dict[Metric, int] = {"requests": 1, "tokens": 1, "cost": 1000}
_MOST_SUBJECTS = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """One limit of a tenant, as it was read at one time.

    Attributes:
        maximum: requests, tokens, or millionths of a US dollar.
        hard: whether a call that would exceed it is refused.
        thresholds: per cent of the maximum whose crossing is told.
        mirrored: what the platform's mirror had counted when the limit was read, in the window `mirrored_since`;
            where Redis knows nothing of that window, counting goes on from there.
    """

    tenant_id: str
    id: str
    subject_kind: SubjectKind
    subject_id: str | None
    metric: Metric
    window: Window
    maximum: int
    hard: bool
    thresholds: tuple[int, ...] = ()
    mirrored: int = 0
    mirrored_since: datetime | None = None

    def key(self, span: Span) -> str:
        """Where it is counted."""
        return counter_key(self.tenant_id, self.id, span)

    def seed(self, span: Span) -> int:
        """Where counting begins if nothing was counted yet."""
        return self.mirrored if self.mirrored_since == span.began else 0


class Subjects(NamedTuple):
    """What of a call limits may be on."""

    provider: str
    model: str
    user_id: str | None = None
    api_key_id: str | None = None
    groups: frozenset[str] = frozenset()

    @classmethod
    def of(cls, record: UsageRecord) -> "Subjects":
        """Those of a call that was recorded."""
        return cls(record.provider, record.model, record.user_id, record.api_key_id, frozenset(record.groups))


class AppliedLimits(tuple[Limit, ...]):  # noqa: SLOT001 - what is cached needs a dictionary
    """The limits on a call, those with the longest window first. Other calls of the key to the model have the same."""

    @cached_property
    def are_hard(self) -> bool:
        """Whether any may refuse a call."""
        return any(limit.hard for limit in self)

    @cached_property
    def count_tokens(self) -> bool:
        """Whether what a call may use has to be known before it is made."""
        return any(limit.hard and limit.metric != "requests" for limit in self)

    @cached_property
    def count_cost(self) -> bool:
        """Whether it has to be known in money."""
        return any(limit.hard and limit.metric == "cost" for limit in self)


UNLIMITED = AppliedLimits()


class TenantLimits:
    """All limits of a tenant, found by what they are on."""

    def __init__(self, limits: Iterable[Limit] = ()) -> None:
        self._known: dict[Subjects, AppliedLimits] = {}
        self._by_subject: dict[tuple[str, str | None], list[Limit]] = {}
        for limit in limits:
            self._by_subject.setdefault((limit.subject_kind, limit.subject_id), []).append(limit)

    def __bool__(self) -> bool:
        return bool(self._by_subject)

    def applying(self, subjects: Subjects) -> AppliedLimits:
        """The limits on a call."""
        known = self._known.get(subjects)
        if known is None:
            found = [limit for subject in _names(subjects) for limit in self._by_subject.get(subject, ())]
            known = AppliedLimits(sorted(found, key=lambda limit: _LONGEST_FIRST[limit.window]))
            if len(self._known) >= _MOST_SUBJECTS:
                self._known.clear()
            self._known[subjects] = known
        return known


NO_LIMITS = TenantLimits()


class Need(NamedTuple):
    """What a call may use at most.

    Attributes:
        tokens: those known before it: of the prompt, or of the texts to embed.
        nano_usd: what they cost, in thousandths of a micro-dollar.
        completion: most tokens of an answer; 0 when there is none.
        answers: how many answers there will be.
        completion_nano_usd: what one of an answer's tokens costs.
    """

    requests: int = 1
    tokens: int = 0
    nano_usd: int = 0
    completion: int = 0
    answers: int = 1
    completion_nano_usd: int = 0

    def of(self, metric: Metric) -> tuple[int, int]:
        """What is needed whatever the answer, and what each token of an answer takes more, in the metric's scale."""
        answers = self.answers if self.completion else 0
        if metric == "tokens":
            return self.tokens, answers
        if metric == "cost":
            return self.nano_usd, self.completion_nano_usd * answers
        return self.requests, 0


class Hold(NamedTuple):
    """What is to be held of one hard limit: `fixed + completion * per_token` in units of a `scale`-th."""

    limit: Limit
    span: Span
    fixed: int
    per_token: int
    scale: int


class Addition(NamedTuple):
    """What is to be added to one limit's count."""

    limit: Limit
    span: Span
    amount: int


def holds(limits: Iterable[Limit], need: Need, at: datetime) -> list[Hold]:
    """What a call needs of the hard limits that it takes anything of."""
    spans, found = spans_at(at), []
    for limit in limits:
        if limit.hard:
            fixed, per_token = need.of(limit.metric)
            if fixed or per_token:
                found.append(Hold(limit, spans[limit.window], fixed, per_token, SCALES[limit.metric]))
    return found


def additions(limits: Iterable[Limit], record: UsageRecord) -> list[Addition]:
    """What a call adds to the limits that it has used anything of."""
    amounts: dict[Metric, int] = {
        "requests": int(record.counts_as_request),
        "tokens": record.prompt_tokens + record.completion_tokens,
        "cost": record.cost_micro_usd,
    }
    spans = spans_at(record.at)
    return [Addition(limit, spans[limit.window], amounts[limit.metric]) for limit in limits if amounts[limit.metric]]


def _names(subjects: Subjects) -> Iterator[tuple[str, str | None]]:
    yield "tenant", None
    if subjects.user_id is not None:
        yield "user", subjects.user_id
    if subjects.api_key_id is not None:
        yield "api_key", subjects.api_key_id
    for group in subjects.groups:
        yield "group", group
    yield "model", subjects.model
    yield "model", f"{subjects.provider}/{subjects.model}"
