"""The rules as a Pulumi policy pack: `pulumi preview --policy-pack iac/policies/pack`.

Pulumi shows it every object, those of Helm charts too, which the program itself never sees. Our objects are held to
every rule; of others a fault is told and stops nothing. Settings (`--policy-pack-config`): `environment` and `byTag`,
for each rule by its name; without them the rules are those of production.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    PolicyPack,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)

# The pack runs in an environment of its own, which has none of our packages.
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from iac.manifests import PART_OF
from iac.policies.rules import RULES, Demands, Rule

_SETTINGS = PolicyConfigSchema(
    {
        "environment": {"type": "string", "enum": ["dev", "staging", "prod"], "default": "prod"},
        "byTag": {"type": "boolean", "default": False},
    }
)


def judge(args: ResourceValidationArgs, report: Callable[[str], None], *, rule: Rule, ours: bool) -> None:
    """Hold one object to one rule."""
    item = _plain(args.props)
    if not args.resource_type.startswith("kubernetes:") or "kind" not in item or "metadata" not in item:
        return
    labels = item["metadata"].get("labels") or {}
    if (labels.get("app.kubernetes.io/part-of") == PART_OF) is not ours:
        return
    config = args.get_config()
    demands = Demands(config.get("environment", "prod"), config.get("byTag", False))
    for fault in rule.judge(item, demands):
        report(f"{item['kind']} {args.name}: {fault}")


def _plain(value: Any) -> Any:
    """The data itself: Pulumi wraps every part of it, to notice when a rule looks at what is not known yet.

    Charts write fields without a value, which is the same to Kubernetes as none.
    """
    if hasattr(value, "items"):
        return {key: _plain(part) for key, part in value.items() if part is not None}
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return value
    return [_plain(part) for part in value]


def policies(rule: Rule) -> list[ResourceValidationPolicy]:
    """A rule for what is ours, and for what others bring."""
    name = rule.name.replace(" ", "-")
    return [
        ResourceValidationPolicy(
            name=suffixed,
            description=f"Prevents {rule.why}.",
            validate=partial(judge, rule=rule, ours=ours),
            enforcement_level=level,
            config_schema=_SETTINGS,
        )
        for suffixed, ours, level in (
            (name, True, EnforcementLevel.MANDATORY),
            (f"{name}-of-others", False, EnforcementLevel.ADVISORY),
        )
    ]


PolicyPack("dcoder", [policy for rule in RULES for policy in policies(rule)])
