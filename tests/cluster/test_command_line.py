"""`pulumi preview` itself, as whoever writes a stack file runs it: what it says of what is wrong."""

import re
from pathlib import Path

import pytest

from iac.stack import third_party_images
from local.cluster.api_server import Cluster
from local.cluster.toolchain import pack_python
from tests.cluster.checkout import Checkout, check_out
from tests.cluster.conftest import needs_pulumi
from tests.cluster.objects import rendered

_PACK = "iac/policies/pack"
_PREVIEW = ("pulumi", "--non-interactive", "preview", "--color", "never")
_FIX = re.compile(r"^ *fix: (pulumi .*)$", re.MULTILINE)
_DIGEST = re.compile(r"dcoder:(digests\.[\w-]+): is missing")
_CREATED = re.compile(r"\+ (\d+) to create")
# Of what is ours, an object that no room makes: the program does not judge it.
_AS_ROOT = """\
    from pulumi_kubernetes.core.v1 import Pod

    spec = {"containers": [{"name": "shell", "image": "registry.example/shell:1"}]}
    Pod("shell", metadata={"namespace": "data", "labels": {"app.kubernetes.io/part-of": "dcoder"}}, spec=spec)
    Pod("theirs", metadata={"namespace": "data"}, spec=spec)
    _export(platform, rendered)
    return made
"""


@pytest.fixture
def staging(tmp_path: Path) -> Checkout:
    """A checkout with a stack that takes images by their digests; nobody asks its cluster."""
    needs_pulumi()
    return check_out(tmp_path, tmp_path / "kubeconfig", stack="staging")


@pytest.fixture
def pack(checkout: Checkout) -> Path:
    """The policy pack with its environment, started by a program as its folder is by Pulumi's newer hosts of Python.

    Those are published as no Go module; the one that the test cluster has knows of no policies.
    """
    folder = checkout.folder / _PACK
    (folder / "venv").symlink_to(pack_python().parents[1])
    program = folder / "start"
    program.write_text('#!/bin/sh\ncd "$(dirname "$0")" && exec venv/bin/python -u -m pulumi.policy "$1" .\n')
    program.chmod(0o755)
    return program


def refused(checkout: Checkout, *arguments: str) -> str:
    """What a preview says that fails."""
    done = checkout.run(*_PREVIEW, *arguments)
    told = done.stdout + done.stderr
    assert done.returncode != 0, told[-4000:]
    assert "Traceback" not in told
    return told


@pytest.mark.timeout(600)
def test_a_wrong_stack_file_is_told_with_the_commands_that_mend_it(staging: Checkout) -> None:
    staging.pulumi("config", "rm", "--path", "dcoder:registry")
    staging.pulumi("config", "set", "--path", "dcoder:postgres.instances", "many")
    staging.pulumi("config", "set", "--path", "dcoder:kong.replica", "3")
    told = refused(staging)
    assert "dcoder:registry: is missing" in told
    assert "dcoder:postgres.instances: Input should be a valid integer" in told
    assert "dcoder:kong.replica: is not a setting" in told
    assert "fix: remove it; kong knows edition, replicas" in told
    staging.pulumi("config", "rm", "--path", "dcoder:kong.replica")
    commands = sorted(set(_FIX.findall(told)))
    assert len(commands) == 2
    for command in commands:
        assert staging.run("sh", "-c", command).returncode == 0, command

    told = refused(staging)
    assert "configuration is wrong" not in told
    for name in ("gateway", *third_party_images().keys() & {"kong", "postgres", "temporal"}):
        assert f"dcoder:digests.{name}: is missing" in told
        assert f"pulumi config set --path 'dcoder:digests.{name}' \"$(crane digest " in told


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_a_stack_file_with_its_digests_is_previewed(stack: str, cluster: Cluster, tmp_path: Path) -> None:
    needs_pulumi()
    checkout = check_out(tmp_path, cluster.kubeconfig, stack=stack)
    wanted = sorted(set(_DIGEST.findall(refused(checkout))))
    given = [f"dcoder:{name}=sha256:{number:064x}" for number, name in enumerate(wanted, 1)]
    checkout.pulumi("config", "set-all", "--path", *(part for pair in given for part in ("--plaintext", pair)))
    done = checkout.run(*_PREVIEW)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told[-4000:]
    created = _CREATED.search(told)
    assert created is not None
    assert int(created[1]) > len(rendered("dev"))


@pytest.mark.timeout(1200)
def test_the_policy_pack_lets_the_stack_pass_and_stops_what_breaks_a_rule(
    checkout: Checkout, pack: Path, cluster: Cluster
) -> None:
    asked = ("--policy-pack", str(pack), "--policy-pack-config", str(pack.with_name("dev.json")))
    passed = checkout.run(*_PREVIEW, *asked)
    assert passed.returncode == 0, (passed.stdout + passed.stderr)[-4000:]
    assert "✅ dcoder@v1.0.0" in passed.stdout
    assert "[advisory]" not in passed.stdout

    with checkout.edited("iac/program.py", "    _export(platform, rendered)\n    return made\n", _AS_ROOT):
        told = refused(checkout, *asked)
    policies = told.partition("Policies:")[2].partition("Diagnostics:")[0]
    found = re.findall(r"\[(\w+)\] +([\w-]+) +\(kubernetes:core/v1:Pod: (\w+)\)", policies)
    stopped = {name for level, name, item in found if (level, item) == ("mandatory", "shell")}
    assert stopped == {"restricted-pod", "restricted-container", "limits", "no-token"}
    assert {name for level, name, item in found if (level, item) == ("advisory", "theirs")} == {
        f"{name}-of-others" for name in stopped
    }
    assert "container shell may run as root (runAsNonRoot)" in policies
    assert "Prevents a container that can change itself or gain privileges." in policies
