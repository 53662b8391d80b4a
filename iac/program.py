"""The Pulumi program: reads the stack's configuration, judges what it leads to, registers it room by room."""

import pulumi
from pulumi.runtime.config import CONFIG
from pulumi_kubernetes import Provider

from iac.configuration.loading import ConfigurationError, load
from iac.manifests import is_function, name_of
from iac.policies import PolicyViolation, enforce
from iac.registration import RoomComponent
from iac.rendering import Rendered, render
from iac.rooms.functions import revision_of
from iac.secret_values import MissingSecret
from iac.stack import PUBLIC_NAMES, Platform, UnknownImage


def told() -> None:
    """Register everything, or say in one message why not.

    Raises:
        pulumi.RunError: the stack file is wrong, or what it leads to is not allowed.
    """
    try:
        run()
    except (ConfigurationError, MissingSecret, PolicyViolation, UnknownImage) as error:
        # One message instead of a trace: whoever reads it wrote the stack file, not this program.
        raise pulumi.RunError(str(error)) from None


def run() -> dict[str, RoomComponent]:
    """Register everything; returns the rooms by name.

    Raises:
        ConfigurationError: the stack file is wrong.
        PolicyViolation: what it leads to is not allowed.
    """
    # All of it and at once: what nobody asks for is an error, and what is secret is marked again where it is used.
    platform = Platform(load(CONFIG.get()))
    rendered = render(platform)
    enforce(rendered, platform.configuration)
    provider = Provider("cluster", context=platform.configuration.cluster.kube_context)
    made: dict[str, RoomComponent] = {}
    for one in rendered:
        after = [made[name] for name in one.room.after]
        made[one.room.name] = RoomComponent(one, platform, provider, after)
    _export(platform, rendered)
    return made


def _export(platform: Platform, rendered: tuple[Rendered, ...]) -> None:
    services = [item for one in rendered for item in one.manifests if is_function(item)]
    pulumi.export("revisions", {name_of(item): revision_of(item) for item in services})
    pulumi.export("addresses", {name: platform.public(name) for name in PUBLIC_NAMES})
    pulumi.export("release", platform.configuration.release)
