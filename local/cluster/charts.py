"""What Helm makes of the values that stacks give to charts: `python -m local.cluster.charts`.

Every chart of `iac/charts.py` is pulled from its repository, at its version, and rendered as each stack has it. Told is
a value that changes nothing of what is rendered, a pod that Pod Security refuses or that no arrow means, and a
custom resource of ours that the charts' own definitions do not take. What was seen is written down in
tests/iac/test_charts.py.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from iac.arrows import PARTIES
from iac.charts import CHARTS, Chart
from iac.configuration.loading import ConfigurationError, parse
from iac.crds import YamlLoader
from iac.manifests import Manifest, containers, describe, namespace_of, plain, pod_specs
from iac.rendering import ROOMS
from iac.stack import NAMESPACES, Platform
from local.cluster import schemas
from local.cluster.toolchain import KUBERNETES, ToolchainError, helm
from local.paths import PROJECT

STACKS = ("prod", "staging", "dev")
_SECONDS = 300.0
_RESTRICTED_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"),
}


class ChartError(Exception):
    """A chart cannot be pulled or rendered; the message is Helm's."""


@dataclass(frozen=True)
class Helm:
    """Charts as Helm renders them.

    Attributes:
        folder: where they are unpacked.
        mirror: address of a repository that has all of them, in place of their own.
    """

    program: Path
    folder: Path
    mirror: str | None = None
    _pulled: dict[str, Path] = field(default_factory=dict, init=False)

    def render(self, chart: Chart, values: Mapping[str, Any], *, definitions: bool = False) -> str:
        """What a chart makes of values.

        Raises:
            ChartError: its schema or its templates refuse them.
        """
        folder = self._pulled.get(chart.name) or self._pull(chart)
        told = ("--include-crds",) if definitions else ("--skip-crds",)
        place = ("--namespace", chart.namespace, "--kube-version", KUBERNETES)
        return self._run("template", chart.name, str(folder), *place, *told, "--values", "-", given=json.dumps(values))

    def _pull(self, chart: Chart) -> Path:
        repository = self.mirror or chart.repository
        source = (repository,) if repository.startswith("oci://") else (chart.chart, "--repo", repository)
        folder = self.folder / chart.name
        self._run("pull", *source, "--version", chart.version, "--untar", "--untardir", str(folder))
        # `helm pull` leaves the archive's own folder, called by the chart's name.
        self._pulled[chart.name] = folder / chart.chart
        return folder / chart.chart

    def _run(self, *arguments: str, given: str | None = None) -> str:
        done = subprocess.run(
            [str(self.program), *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        if done.returncode:
            raise ChartError(f"helm {arguments[0]} {arguments[1]}: {done.stderr.strip()[-1000:]}")
        return done.stdout


def platform(name: str) -> Platform:
    """A stack of this checkout; no secret of it is needed to render."""
    given = yaml.safe_load((PROJECT / f"Pulumi.{name}.yaml").read_text())["config"]
    settings = {key.removeprefix("dcoder:"): value for key, value in given.items() if key.startswith("dcoder:")}
    return Platform(parse({**settings, "secrets": {"source": "external"}}))


def without_effect(tool: Helm, chart: Chart, stacks: Iterable[Platform]) -> list[str]:
    """Names of values that may be anything: another one in its place changes nothing in any stack."""
    given: set[str] = set()
    effective: set[str] = set()
    for stack in stacks:
        values = plain(chart.values(stack))
        usual = tool.render(chart, values)
        for name, other in changed(values):
            given.add(name)
            if name not in effective and _differs(tool, chart, other, usual):
                effective.add(name)
    return sorted(given - effective)


def _differs(tool: Helm, chart: Chart, values: Mapping[str, Any], usual: str) -> bool:
    try:
        return tool.render(chart, values) != usual
    except ChartError:
        # It looked at the value, and refused it.
        return True


def changed(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each value's name, and all of the values with another one in its place."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            for inner, other in changed(value, f"{above}{name}."):
                yield inner, {**values, name: other}
        else:
            yield above + name, {**values, name: _another(value)}


def _another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return [*value, "another"] if isinstance(value, list) else f"another {value}"


def pod_faults(item: Manifest) -> Iterator[str]:
    """Why its pods would not be admitted by Pod Security's `restricted`, or would talk to nobody.

    Fields as in https://kubernetes.io/docs/concepts/security/pod-security-standards/.
    """
    for pod in pod_specs(item):
        labels = item["spec"].get("template", item).get("metadata", {}).get("labels", {})
        if namespace_of(item) in NAMESPACES and not any(
            party.namespace == namespace_of(item) and party.labels.items() <= labels.items() and not party.labelled
            for party in PARTIES.values()
        ):
            yield "no party of iac/arrows.py has its labels"
        yield from (f"the pod has {name}" for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name))
        for volume in pod.get("volumes", ()):
            if strange := set(volume) - {"name"} - _RESTRICTED_VOLUMES:
                yield f"it has a volume of kind {', '.join(sorted(strange))}"
        for one in containers(pod):
            context = {**pod.get("securityContext", {}), **one.get("securityContext", {})}
            yield from (f"container {one['name']} {fault}" for fault in _context_faults(context))


def _context_faults(context: Mapping[str, Any]) -> Iterator[str]:
    if context.get("privileged"):
        yield "is privileged"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges (allowPrivilegeEscalation)"
    if context.get("runAsNonRoot") is not True or context.get("runAsUser") == 0:
        yield "may run as root (runAsNonRoot)"
    capabilities = context.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ()) or set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield "has capabilities (capabilities.drop: [ALL])"
    if context.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        yield "has no seccomp profile"


def objects(text: str, namespace: str) -> list[Manifest]:
    """What Helm rendered, without fields that have no value; in the release's namespace where nothing is said."""
    found = [_valued(item) for item in yaml.load_all(text, Loader=YamlLoader) if item]
    return [{**item, "metadata": {"namespace": namespace, **item["metadata"]}} for item in found]


def _valued(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _valued(part) for key, part in value.items() if part is not None}
    return [_valued(part) for part in value] if isinstance(value, list) else value


def findings(tool: Helm, stacks: Mapping[str, Platform], charts: Sequence[Chart] = CHARTS) -> Iterator[str]:
    """One line for each fault.

    Raises:
        ChartError: a chart cannot be pulled, or does not take a stack's values.
    """
    known: dict[str, schemas.Schemas] = {}
    for chart in charts:
        for name in without_effect(tool, chart, stacks.values()):
            yield f"{chart.name} {chart.version}: {name} changes nothing"
        for stack in stacks.values():
            rendered = objects(tool.render(chart, plain(chart.values(stack)), definitions=True), chart.namespace)
            definitions = [item for item in rendered if item["kind"] == "CustomResourceDefinition"]
            known[chart.name] = schemas.schemas_of(definitions)
            for item in rendered:
                yield from (f"{chart.name} {chart.version}: {describe(item)}: {fault}" for fault in pod_faults(item))
    everything = dict(chain.from_iterable(one.items() for one in known.values()))
    groups = {api_version.partition("/")[0] for api_version, _ in everything}
    for name, stack in stacks.items():
        # Images may have no digests yet: nothing is deployed.
        ours = [item for room in ROOMS for item in room.objects(stack) if schemas.group(item) in groups]
        yield from (f"{name}: {fault}" for fault in schemas.faults(ours, everything))


def main(arguments: Sequence[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m local.cluster.charts", description=__doc__)
    parser.add_argument("stacks", nargs="*", default=STACKS, metavar="STACK", help="as in Pulumi.STACK.yaml")
    parser.add_argument("--mirror", metavar="URL", help="a repository that has every chart, in place of their own")
    chosen = parser.parse_args(arguments)
    say = partial(print, flush=True)
    try:
        stacks = {name: platform(name) for name in chosen.stacks}
        with tempfile.TemporaryDirectory() as folder:
            found = set()
            for line in findings(Helm(helm(say), Path(folder), chosen.mirror), stacks):
                if line not in found:
                    say(line)
                    found.add(line)
    except (ChartError, ConfigurationError, ToolchainError, FileNotFoundError) as error:
        sys.stderr.write(f"charts: {error}\n")
        return 1
    say(f"{len(CHARTS)} charts, {len(stacks)} stacks: {len(found) or 'no'} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
