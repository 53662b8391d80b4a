"""`dcoder deploy`: one release onto one stack of Kubernetes."""

from collections.abc import Callable, Mapping

from iac.automation import ROOT, PulumiStack
from iac.lock import Locked, deployment_lock
from iac.release import Release, SmokeFailed, StackError, StepFailed
from local.cli.errors import CommandError
from local.paths import Home
from scenarios.smoke import NotServing, run


def deploy(stack: str, *, percent: int, api: str | None, key: str, say: Callable[[str], None]) -> None:
    """Release what is checked out.

    Args:
        stack: whose file is `Pulumi.<stack>.yaml`.
        percent: share of the traffic that the new revisions get.
        api: where the smoke test asks, if not at the stack's public name.
        key: of a tenant, for the smoke test.

    Raises:
        CommandError: somebody else deploys, or a step failed; the message says which, why, and what is now.
    """
    if not (ROOT / f"Pulumi.{stack}.yaml").exists():
        known = ", ".join(sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml")))
        raise CommandError(f"there is no stack {stack!r}: Pulumi.{stack}.yaml is missing; there are: {known}")

    def smoke(addresses: Mapping[str, str]) -> None:
        try:
            asked = run(api or addresses["api"], key)
        except NotServing as error:
            raise SmokeFailed(str(error)) from error
        say(f"  {asked} requests were answered" + ("" if key else "; without a key no function was asked"))

    try:
        with deployment_lock(stack, Home.locate().root):
            Release(PulumiStack(stack, say=lambda line: say(f"  {line}")), smoke, say, percent).run()
    except (Locked, StackError, StepFailed) as error:
        raise CommandError(str(error)) from error
