"""Hands rendered objects to Pulumi: one component per room, in order, with secrets completed on the way."""

import importlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pulumi
from pulumi_kubernetes import Provider
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.helm import v3, v4

from iac.charts import Chart
from iac.manifests import Manifest, SecretText, is_function, name_of, namespace_of
from iac.rendering import Rendered
from iac.secret_values import SecretValues, external_secret
from iac.stack import Platform, started_anew

_SKIP_AWAIT: Final = {"pulumi.com/skipAwait": "true"}
_UNTIL_READY: Final = {"pulumi.com/waitFor": "condition=Ready"}
# A Job that failed is run anew by the next `up`, whatever made it fail; otherwise it would be waited for in vain.
_UNTIL_DONE: Final = {"pulumi.com/replaceUnready": "true"}
_GROUPS: Final = {
    "v1": "core.v1",
    "apps/v1": "apps.v1",
    "batch/v1": "batch.v1",
    "networking.k8s.io/v1": "networking.v1",
    "policy/v1": "policy.v1",
    "rbac.authorization.k8s.io/v1": "rbac.v1",
}
# What holds data: in `prod`, Pulumi refuses to delete it until somebody unprotects it by hand.
_REMEMBERS: Final = {"StatefulSet", "Cluster"}


class RoomComponent(pulumi.ComponentResource):
    """One room: its namespaces, its secrets (which charts' pods wait for), its charts, then everything else of it.

    Attributes:
        resources: what was registered, by `Kind namespace/name`.
    """

    def __init__(
        self, rendered: Rendered, platform: Platform, provider: Provider, after: Sequence[pulumi.Resource]
    ) -> None:
        super().__init__(rendered.room.kind, rendered.room.name)
        self._platform = platform
        self._provider = provider
        self._values = SecretValues(platform.configuration.secrets)
        self.resources: dict[str, pulumi.Resource] = {}
        before_charts = ("Namespace", "Secret")
        first, second = ([item for item in rendered.manifests if item["kind"] == kind] for kind in before_charts)
        rest = [item for item in rendered.manifests if item["kind"] not in before_charts]
        spaces = [self._register(item, after) for item in first]
        secrets = [self._register(item, [*after, *spaces]) for item in second]
        installed: dict[str, pulumi.Resource] = {}
        for chart in rendered.charts:
            before = [installed[name] for name in chart.after]
            installed[chart.name] = self._install(chart, [*after, *spaces, *secrets, *before])
        for item in rest:
            self._register(item, [*after, *spaces, *secrets, *installed.values()])
        self.register_outputs({})

    def _register(self, item: Manifest, after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        configuration = self._platform.configuration
        if item["kind"] == "Secret" and configuration.secrets.source == "external":
            item = external_secret(item, configuration.secrets)
        options = self._options(after, protect=configuration.environment == "prod" and item["kind"] in _REMEMBERS)
        resource = create(self._completed(item), options)
        self.resources[f"{item['kind']} {_title(item)}"] = resource
        return resource

    def _completed(self, item: Manifest) -> Manifest:
        made: Manifest = complete(self._reading_secrets(item), self._values)
        if not self._platform.configuration.cluster.waits:
            extra = _SKIP_AWAIT
        elif is_function(item):
            extra = _UNTIL_READY
        elif item["kind"] == "Job":
            extra = _UNTIL_DONE
        else:
            return made
        metadata = made["metadata"]
        return {**made, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **extra}}}

    def _reading_secrets(self, item: Manifest) -> Manifest:
        """Pods read passwords as they start: another generation of any starts them anew."""
        if item["kind"] not in {"Deployment", "StatefulSet"}:
            return item
        template = item["spec"]["template"]
        metadata = template["metadata"]
        annotations = {**metadata.get("annotations", {}), **started_anew(self._platform)}
        template = {**template, "metadata": {**metadata, "annotations": annotations}}
        return {**item, "spec": {**item["spec"], "template": template}}

    def _install(self, chart: Chart, after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        values, options = chart.values(self._platform), self._options(after)
        values = complete(values, self._values)
        is_oci = chart.repository.startswith("oci://")
        common = {
            "chart": chart.repository if is_oci else chart.chart,
            "version": chart.version,
            "namespace": chart.namespace,
            "values": values,
        }
        if chart.hooks:
            repository = {} if is_oci else {"repository_opts": v3.RepositoryOptsArgs(repo=chart.repository)}
            release: pulumi.Resource = v3.Release(
                chart.name, name=chart.name, timeout=900, opts=options, **common, **repository
            )
            return release
        source = {} if is_oci else {"repository_opts": v4.RepositoryOptsArgs(repo=chart.repository)}
        rendered: pulumi.Resource = v4.Chart(chart.name, name=chart.name, opts=options, **common, **source)
        return rendered

    def _options(self, after: Sequence[pulumi.Resource], *, protect: bool = False) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self, provider=self._provider, depends_on=list(after), protect=protect or None
        )


def create(item: Manifest, options: pulumi.ResourceOptions) -> pulumi.Resource:
    """One object as a resource: of its own class where Kubernetes brings the kind, a custom resource otherwise."""
    title = _title(item)
    group = _GROUPS.get(item["apiVersion"])
    if group is None:
        custom: pulumi.Resource = CustomResource(
            title, item["apiVersion"], item["kind"], metadata=item["metadata"], spec=item["spec"], opts=options
        )
        return custom
    module = importlib.import_module(f"pulumi_kubernetes.{group}")
    body = {_snake(key): value for key, value in item.items() if key not in {"apiVersion", "kind"}}
    made: pulumi.Resource = getattr(module, item["kind"])(title, opts=options, **body)
    return made


def complete(value: Any, values: Mapping[str, str]) -> Any:
    """The same data with secrets in place of their names, each marked as secret for Pulumi."""
    if isinstance(value, SecretText):
        return pulumi.Output.secret(value.complete(values))
    if isinstance(value, Mapping):
        return {key: complete(part, values) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [complete(part, values) for part in value]
    return value


def _title(item: Manifest) -> str:
    return f"{namespace_of(item)}/{name_of(item)}" if namespace_of(item) else name_of(item)


def _snake(key: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", key).lower()
