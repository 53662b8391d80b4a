"""An environment as Flagsmith's SDKs know it, and what each flag is in it: local evaluation by Flagsmith's own engine.

The document is that of `GET /api/v1/environment-document/` (Flagsmith's SDK API), whoever made it: a Flagsmith server,
or `flag_states.render` from rows in Postgres.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from flag_engine.context.types import EvaluationContext, FeatureContext, FeatureValue, SegmentContext, SegmentRule
from flag_engine.engine import get_evaluation_result
from pydantic import JsonValue

from functions.kit.flag_registry import FlagDefinition, FlagRegistry, StoredValue

Source = Literal["default", "tenant", "rollout"]
RolloutBy = Literal["tenant", "user"]
Document = Mapping[str, Any]
TraitValue = str | int | float | bool | None

TENANT_TRAIT = "tenant_id"
USER_TRAIT = "user_id"
TENANT_SEGMENT = "tenant-"
ROLLOUT_SEGMENT = "rollout-"
_SPLIT = "PERCENTAGE_SPLIT"
_MOST_REMEMBERED = 20_000
_logger = logging.getLogger(__name__)


class UnknownFlag(LookupError):
    """Neither the declaration nor the environment has the flag: the code that asks names it wrongly."""


@dataclass(frozen=True, slots=True)
class DefaultState:
    """What a flag is for everybody whose tenant has no override.

    Attributes:
        percentage: of those the flag is on for when it is on; None for all.
        rollout_by: whether whole tenants or single users are in or out.
    """

    enabled: bool
    value: JsonValue = None
    percentage: float | None = None
    rollout_by: RolloutBy = "tenant"


@dataclass(frozen=True, slots=True)
class OverrideState:
    """What a flag is for one tenant."""

    enabled: bool
    value: JsonValue = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a flag is for who asked, and why.

    Attributes:
        stored: the value as Flagsmith's SDKs have it.
        reason: the engine's own word for `source`.
        variant: which of several values it is, for a flag that Flagsmith was told to split.
    """

    name: str
    enabled: bool
    value: JsonValue
    source: Source
    stored: StoredValue
    reason: str
    variant: str | None = None


@dataclass(slots=True)
class _Targets:
    """The segments that override one flag, by whom they can match: a thousand tenants cost what one does."""

    of_tenant: dict[str, dict[str, SegmentContext]] = field(default_factory=dict)
    of_identity: dict[str, dict[str, SegmentContext]] = field(default_factory=dict)
    others: dict[str, SegmentContext] = field(default_factory=dict)

    def add(self, segment: SegmentContext, tenant: str | None) -> None:
        where = self.others if tenant is None else self.of_tenant.setdefault(tenant, {})
        where[segment["key"]] = segment

    def matching(self, tenant: object, identifier: str) -> dict[str, SegmentContext]:
        own = self.of_tenant.get(tenant, {}) if isinstance(tenant, str) else {}
        return {**self.of_identity.get(identifier, {}), **own, **self.others}


class FlagDocument:
    """An environment, indexed. Immutable, so what was evaluated once is remembered.

    Args:
        raw: the document.
        registry: the declared flags; one that the document lacks is as declared.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: the document is not one.
    """

    def __init__(self, raw: Document, registry: FlagRegistry) -> None:
        self.raw = raw
        self.registry = registry
        self.updated_at = _updated_at(raw)
        self._environment = {"key": str(raw["api_key"]), "name": str(raw["name"])}
        self._states: dict[str, Mapping[str, Any]] = {
            state["feature"]["name"]: state for state in raw["feature_states"]
        }
        self._features = {definition.name: _declared(definition) for definition in registry}
        self._features.update({feature["name"]: feature for feature in map(_feature, raw["feature_states"])})
        self._targets: dict[str, _Targets] = {name: _Targets() for name in self._features}
        self._rollouts: dict[str, tuple[float, RolloutBy]] = {}
        self._remembered: dict[tuple[str, str | None, str | None], Evaluation] = {}
        for segment in raw["project"]["segments"]:
            self._add_segment(segment)
        for identity in raw.get("identity_overrides") or ():
            self._add_identity(identity)

    def names(self) -> Iterator[str]:
        """Every flag, declared or made in Flagsmith, in alphabetical order."""
        yield from sorted(self._features)

    def __contains__(self, name: object) -> bool:
        return name in self._features

    def evaluate(self, name: str, tenant_id: str | None = None, user_id: str | None = None) -> Evaluation:
        """What the flag is for a tenant, or for one of its users; without either, for nobody in particular.

        Raises:
            UnknownFlag: there is no such flag.
        """
        key = (name, tenant_id, user_id)
        found = self._remembered.get(key)
        if found is None:
            traits = {trait: of for trait, of in ((TENANT_TRAIT, tenant_id), (USER_TRAIT, user_id)) if of is not None}
            found = self.evaluate_identity(name, user_id or tenant_id, traits)
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = found
        return found

    def evaluate_identity(
        self, name: str, identifier: str | None, traits: Mapping[str, TraitValue] | None = None
    ) -> Evaluation:
        """What the flag is for an identity as Flagsmith's SDKs name it; None for the environment itself.

        Raises:
            UnknownFlag: there is no such flag.
        """
        if name not in self._features:
            raise UnknownFlag(f"there is no flag {name}")
        context: EvaluationContext[Any, Any] = {
            "environment": {"key": self._environment["key"], "name": self._environment["name"]},
            "features": {name: self._features[name]},
        }
        if identifier is not None:
            given = dict(traits or {})
            context["identity"] = {"identifier": identifier, "traits": given}
            context["segments"] = self._targets[name].matching(given.get(TENANT_TRAIT), identifier)
        try:
            result = get_evaluation_result(context)["flags"][name]
        except (re.error, ValueError, TypeError, ArithmeticError) as error:
            # A segment typed in by hand, with a broken pattern or a modulus of 0: the rest of the platform must go on.
            _logger.warning("a flag cannot be evaluated", extra={"flag": name}, exc_info=error)
            result = get_evaluation_result({**context, "segments": {}})["flags"][name]
        stored: StoredValue = result["value"]
        return Evaluation(
            name=name,
            enabled=result["enabled"],
            value=self._decode(name, stored),
            source=self._source(name, result["reason"]),
            stored=stored,
            reason=result["reason"],
            variant=result["variant"],
        )

    def default(self, name: str) -> DefaultState:
        """What the flag is where no tenant's override applies.

        Raises:
            UnknownFlag: there is no such flag.
        """
        if name not in self._features:
            raise UnknownFlag(f"there is no flag {name}")
        feature = self._features[name]
        value = self._decode(name, feature["value"])
        if name not in self._rollouts:
            return DefaultState(feature["enabled"], value)
        percentage, by = self._rollouts[name]
        return DefaultState(enabled=True, value=value, percentage=percentage, rollout_by=by)

    def raw_state(self, name: str) -> Mapping[str, Any] | None:
        """The flag's state in the environment as the document has it; None for one that it lacks."""
        return self._states.get(name)

    def overrides(self) -> dict[tuple[str, str], OverrideState]:
        """Every tenant's override, by tenant and flag."""
        return {
            (tenant, name): self._override(name, segments)
            for name, targets in self._targets.items()
            for tenant, segments in targets.of_tenant.items()
        }

    def override(self, name: str, tenant_id: str) -> OverrideState | None:
        """A tenant's override of a flag, if it has one."""
        segments = self._targets[name].of_tenant.get(tenant_id) if name in self._targets else None
        return self._override(name, segments) if segments else None

    def _override(self, name: str, segments: Mapping[str, SegmentContext]) -> OverrideState:
        chosen = min((segment["overrides"][0] for segment in segments.values()), key=_priority)
        return OverrideState(chosen["enabled"], self._decode(name, chosen["value"]))

    def _add_segment(self, raw: Mapping[str, Any]) -> None:
        rules = [_rule(rule) for rule in raw["rules"]]
        tenant = tenant_of(raw["rules"])
        for state in raw.get("feature_states") or ():
            feature = _feature(state)
            segment: SegmentContext = {
                "key": str(raw["id"]),
                "name": str(raw["name"]),
                "rules": rules,
                "overrides": [feature],
            }
            targets = self._targets.get(feature["name"])
            if targets is not None:
                targets.add(segment, tenant)
                self._note_rollout(feature, raw)

    def _note_rollout(self, feature: FeatureContext, raw: Mapping[str, Any]) -> None:
        split = next((condition for condition in _conditions(raw["rules"]) if condition["operator"] == _SPLIT), None)
        if split is not None and raw["name"] == f"{ROLLOUT_SEGMENT}{feature['name']}":
            percentage = float(split["value"])
            if feature["enabled"] or percentage == 0:
                by: RolloutBy = "tenant" if _property(split) == TENANT_TRAIT else "user"
                self._rollouts[feature["name"]] = percentage, by

    def _add_identity(self, raw: Mapping[str, Any]) -> None:
        identifier = str(raw["identifier"])
        for state in raw["identity_features"]:
            feature: FeatureContext = {**_feature(state), "key": "", "priority": float("-inf")}
            segment: SegmentContext = {
                "key": f"identity-{identifier}",
                "name": "identity_overrides",
                "rules": [
                    {
                        "type": "ALL",
                        "conditions": [
                            {"property": "$.identity.identifier", "operator": "IN", "value": [identifier]},
                        ],
                    }
                ],
                "overrides": [feature],
            }
            targets = self._targets.get(feature["name"])
            if targets is not None:
                targets.of_identity.setdefault(identifier, {})[segment["key"]] = segment

    def _source(self, name: str, reason: str) -> Source:
        matched = reason.removeprefix("TARGETING_MATCH; segment=")
        if reason.startswith("SPLIT") or matched == f"{ROLLOUT_SEGMENT}{name}":
            return "rollout"
        if matched != reason:
            return "tenant"
        return "rollout" if name in self._rollouts else "default"

    def _decode(self, name: str, stored: StoredValue) -> JsonValue:
        definition = self.registry.get(name)
        return definition.decode(stored) if definition else stored


def tenant_of(rules: list[Mapping[str, Any]]) -> str | None:
    """The one tenant that a segment's rules can match, or None where they ask for anything else."""
    conditions = list(_conditions(rules))
    if len(conditions) != 1 or any(kind == "NONE" for kind in _rule_types(rules)):
        return None
    condition = conditions[0]
    if condition["operator"] != "EQUAL" or _property(condition) != TENANT_TRAIT:
        return None
    return str(condition["value"])


def _updated_at(raw: Document) -> datetime:
    moment = datetime.fromisoformat(raw["updated_at"])
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _declared(definition: FlagDefinition) -> FeatureContext:
    return {
        "key": definition.name,
        "name": definition.name,
        "enabled": definition.enabled,
        "value": definition.encode(definition.value),
    }


def _feature(state: Mapping[str, Any]) -> FeatureContext:
    feature: FeatureContext = {
        # Flagsmith's clients take the number where there is one, so that everybody sorts alike.
        "key": str(state.get("django_id") or state["featurestate_uuid"]),
        "name": str(state["feature"]["name"]),
        "enabled": bool(state["enabled"]),
        "value": state["feature_state_value"],
    }
    variants = [_variant(value) for value in state.get("multivariate_feature_state_values") or ()]
    if variants:
        feature["variants"] = variants
    if state.get("feature_segment"):
        feature["priority"] = state["feature_segment"]["priority"]
    return feature


def _variant(raw: Mapping[str, Any]) -> FeatureValue:
    option = raw["multivariate_feature_option"]
    variant: FeatureValue = {
        "value": option["value"],
        "weight": raw["percentage_allocation"],
        "priority": raw.get("id") or UUID(raw["mv_fs_value_uuid"]).int,
    }
    if option.get("key") is not None:
        variant["key"] = option["key"]
    return variant


def _rule(raw: Mapping[str, Any]) -> SegmentRule:
    return {
        "type": raw["type"],
        "conditions": [
            {"property": _property(condition), "operator": condition["operator"], "value": condition["value"]}
            for condition in raw.get("conditions") or ()
        ],
        "rules": [_rule(rule) for rule in raw.get("rules") or ()],
    }


def _property(condition: Mapping[str, Any]) -> str:
    return condition.get("property_") or ""


def _conditions(rules: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for rule in rules:
        yield from rule.get("conditions") or ()
        yield from _conditions(rule.get("rules") or [])


def _rule_types(rules: list[Mapping[str, Any]]) -> Iterator[str]:
    for rule in rules:
        yield rule["type"]
        yield from _rule_types(rule.get("rules") or [])


def _priority(feature: FeatureContext) -> float:
    return feature.get("priority", float("inf"))
