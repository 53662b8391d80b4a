"""What is demanded of everything that is deployed. A stack that breaks a rule fails at preview, and nothing is changed.

The rules read plain objects: the program judges what its rooms render before it registers any of it, `dcoder deploy`
says the same words, and so do the tests. `pack/` has Pulumi judge by them what others add, Helm charts for one.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from iac.configuration import Configuration
from iac.manifests import Manifest, describe, plain
from iac.policies.rules import RULES, Demands

if TYPE_CHECKING:
    from iac.rendering import Rendered


class PolicyViolation(Exception):
    """Objects break rules; the message names each object, the rule and the fault."""


def violations(items: Iterable[Manifest], configuration: Configuration) -> Iterator[str]:
    """One line per fault: `Deployment functions/x: limits: container x has no memory limit`."""
    judged = [plain(item) for item in items]
    demands = Demands(configuration.environment, configuration.cluster.pull_by_tag)
    for rule in RULES:
        for item in judged:
            yield from (f"{describe(item)}: {rule.name}: {fault}" for fault in rule.judge(item, demands))
    yield from _unanswered(judged)


def enforce(rendered: Iterable["Rendered"], configuration: Configuration) -> None:
    """Judge a whole stack.

    Raises:
        PolicyViolation: something is not allowed.
    """
    found = list(violations((item for one in rendered for item in one.manifests), configuration))
    if found:
        raise PolicyViolation(f"{len(found)} violations of the policies:\n  " + "\n  ".join(found))


def _unanswered(items: list[Manifest]) -> Iterator[str]:
    """Every namespace that has pods of ours denies all traffic by default."""
    denied = {
        item["metadata"]["namespace"]
        for item in items
        if item["kind"] == "NetworkPolicy"
        and not item["spec"]["podSelector"]
        and set(item["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        and not {"ingress", "egress"} & set(item["spec"])
    }
    running = {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"}
    for namespace in sorted({item["metadata"]["namespace"] for item in items if item["kind"] in running} - denied):
        yield f"Namespace {namespace}: network: it does not deny by default"
