"""A stack by Pulumi's Automation API: the program, stack files and backend that `pulumi up` has."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pulumi import automation

from functions.kit.catalogue import load_catalogue
from iac.configuration.loading import NAMESPACE, ConfigurationError, load
from iac.policies import PolicyViolation, enforce
from iac.policies.rules import RULES
from iac.program import told
from iac.release import StackError
from iac.rendering import ROOMS, render
from iac.secret_values import MissingSecret
from iac.stack import Platform, UnknownImage

ROOT = Path(__file__).resolve().parent.parent
_ROLLOUT = f"{NAMESPACE}:functions.rollout"
_MIGRATIONS = "migrations"
_KNATIVE_SERVICE = re.compile(r"^kubernetes:serving\.knative\.dev/\w+:Service$")
# What an engine has done to a resource, of all that it says of it.
_DONE = re.compile(r"\b(created|updated|deleted|replaced|failed)\b")
_NOISE = re.compile(r"^\s*(code: |stdout: |stderr: ?$|warning: |pulumi:pulumi:Stack |error: (update|preview) failed|$)")
_AFTERWARDS = re.compile(r"^\s*(?:Outputs|Resources|Duration):", re.MULTILINE)


class PulumiStack:
    """Port `Stack`.

    The program runs in this process, so that Pulumi needs no Python of its own.

    Args:
        name: such as `staging`; its file is `Pulumi.<name>.yaml`.

    Raises:
        StackError: there is no such stack, no Pulumi, or no way to its state.
    """

    def __init__(self, name: str, *, root: Path = ROOT, say: Callable[[str], None] = lambda _: None) -> None:
        self._say: Callable[[str], None] = lambda line: say(line) if _DONE.search(line) else None
        options = automation.LocalWorkspaceOptions(work_dir=str(root))
        self._stack: automation.Stack = _asked(
            lambda: automation.select_stack(name, project_name=NAMESPACE, program=told, opts=options)
        )

    def serving(self) -> dict[str, str]:
        """Revision of each function that was deployed as the one to serve."""
        state = _asked(self._stack.export_stack).deployment
        deployed = dict(stays_with(state.get("resources") or ()))
        # A function that is no more has nothing to be rolled out.
        return {function.name: deployed[function.name] for function in load_catalogue() if function.name in deployed}

    def addresses(self) -> dict[str, str]:
        """Public addresses by name."""
        found = _asked(self._stack.outputs).get("addresses")
        return dict(found.value) if found else {}

    def roll_out(self, stable: Mapping[str, str], percent: int) -> None:
        """Write into the stack file how traffic is shared from the next `up` on."""
        values = {f'{_ROLLOUT}.stable["{name}"]': revision for name, revision in sorted(stable.items())}
        values[f"{_ROLLOUT}.percent"] = str(percent)
        _asked(lambda: self._stack.remove_config(_ROLLOUT, path=True))
        config = {key: automation.ConfigValue(value) for key, value in values.items()}
        _asked(lambda: self._stack.set_all_config(config, path=True))

    def read(self) -> str:
        """Read the configuration and render what it leads to."""
        given = _asked(self._stack.get_all_config)
        try:
            self._platform = Platform(load({name: str(value.value) for name, value in given.items()}))
            self._rendered = render(self._platform)
        except (ConfigurationError, MissingSecret, UnknownImage) as error:
            raise StackError(str(error)) from None
        return f"{sum(len(one.manifests) for one in self._rendered)} objects"

    def judge(self) -> str:
        """Judge what was read by the policies, before Pulumi is asked; the program judges it again."""
        try:
            enforce(self._rendered, self._platform.configuration)
        except PolicyViolation as error:
            raise StackError(str(error)) from None
        return f"{len(RULES)} rules are kept"

    def preview(self) -> str:
        """What would change."""
        return summary(_asked(lambda: self._stack.preview(color="never", on_output=self._say)).change_summary)

    def migrate(self) -> str:
        """Deploy the room of the migrations and those it comes after: its Jobs read settings, databases, buckets."""
        # Not by `--target`: Pulumi would refuse because of what depends on targets and is no more, such as the former
        # release's Jobs.
        needed = _closure(_MIGRATIONS)
        exclude = [f"**{room.kind}**" for room in ROOMS if room.name not in needed]
        return self._changed(lambda: self._stack.up(color="never", exclude=exclude, on_output=self._say))

    def up(self) -> str:
        """Deploy."""
        return self._changed(lambda: self._stack.up(color="never", on_output=self._say))

    def _changed(self, act: Callable[[], Any]) -> str:
        return summary(_asked(act).summary.resource_changes or {})


def summary(changes: Mapping[Any, int]) -> str:
    """`3 create, 412 same`; what did not change is left out where something did."""
    counted = {str(getattr(kind, "value", kind)): count for kind, count in changes.items()}
    changed = {kind: count for kind, count in counted.items() if kind not in {"same", "read"}}
    return ", ".join(f"{count} {kind}" for kind, count in sorted(changed.items())) or "no change"


def stays_with(resources: Any) -> Iterator[tuple[str, str]]:
    """Of each Knative Service in a state, the revision that traffic stays with."""
    for resource in resources:
        if _KNATIVE_SERVICE.match(resource["type"]):
            inputs = resource["inputs"]
            shares = inputs["spec"]["traffic"]
            stable = next((share for share in shares if share.get("tag") == "stable"), shares[0])
            yield inputs["metadata"]["name"], stable["revisionName"]


def _closure(room: str) -> set[str]:
    after = {one.name: one.after for one in ROOMS}
    found: set[str] = set()
    waiting = [room]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(after[name])
    return found


def _asked(act: Callable[[], Any]) -> Any:
    """Pulumi's refusals in its own words, without the command line's trace."""
    try:
        return act()
    except FileNotFoundError as error:
        raise StackError("the program `pulumi` is not installed: pulumi.com/docs/install") from error
    except (automation.CommandError, automation.InvalidVersionError) as error:
        raise StackError(refusal(str(error))) from error


def refusal(text: str) -> str:
    """The lines of a failed command that say why."""
    _, _, diagnosed = text.partition("Diagnostics:")
    said = (line.strip() for line in _AFTERWARDS.split(diagnosed or text)[0].splitlines() if not _NOISE.match(line))
    lines = [line.removeprefix("stderr: ") for line in said]
    return "\n".join(dict.fromkeys(lines[:40] if diagnosed else lines[-20:]))
