"""Pulumi on the test cluster: a checkout's program and stack file, a backend of files, plugins that were built here.

`python -m local.cluster.stack up|preview|destroy NAME`, run in a checkout, prints what it did to which object as JSON.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath

from pulumi import automation

from iac.program import told
from local.cluster.toolchain import LANGUAGE_SCRIPT, binary, provider_release

_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "GOMODCACHE")
_PASSPHRASE = "a passphrase of tests"  # noqa: S105 - nothing that it closes is real


def environment(folder: Path, kubeconfig: Path) -> dict[str, str]:
    """What Pulumi needs to find its programs, its state and the cluster; laid out below `folder`.

    Raises:
        FileNotFoundError: a program is not built yet.
    """
    plugin = folder / "home" / "plugins" / f"resource-kubernetes-v{provider_release()}"
    language = binary("pulumi-language-python")
    for place, program in (
        (folder / "bin", binary("pulumi")),
        (folder / "bin", language),
        (folder / "bin", language.with_name(PurePath(LANGUAGE_SCRIPT).name)),
        (plugin, binary("pulumi-resource-kubernetes")),
    ):
        place.mkdir(parents=True, exist_ok=True)
        (place / program.name).symlink_to(program.resolve(strict=True))
    (folder / "state").mkdir(exist_ok=True)
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        # The Python that is found first runs the program.
        "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": _PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # Nothing is fetched: what is missing is an error.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "KUBECONFIG": str(kubeconfig),
    }


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m local.cluster.stack", description=__doc__)
    parser.add_argument("verb", choices=["up", "preview", "destroy"])
    parser.add_argument("name", help="of the stack")
    chosen = parser.parse_args(arguments)
    options = automation.LocalWorkspaceOptions(work_dir=str(Path.cwd()))
    stack = automation.select_stack(chosen.name, project_name="dcoder", program=told, opts=options)
    changed: dict[str, str] = {}

    def note(event: automation.EngineEvent) -> None:
        found = event.resource_pre_event
        if found is not None and found.metadata.op.value not in {"same", "read"}:
            changed[found.metadata.urn] = found.metadata.op.value

    if chosen.verb == "up":
        stack.up(on_event=note, on_output=_log, color="never")
    elif chosen.verb == "preview":
        stack.preview(on_event=note, on_output=_log, color="never")
    else:
        stack.destroy(on_event=note, on_output=_log, color="never")
    sys.stdout.write(json.dumps(changed) + "\n")


def _log(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
