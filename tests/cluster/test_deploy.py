"""`dcoder deploy` on a real API server, by Pulumi: each step stops what comes after it, and says so."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from iac.lock import deployment_lock
from iac.manifests import Manifest
from iac.stack import NAMESPACES
from local.cluster import api_server
from local.cluster.api_server import Cluster, Objects
from tests.cluster.checkout import STACK, Checkout, check_out
from tests.cluster.conftest import definitions, needs_pulumi
from tests.cluster.paper import PaperNode, paper_node

_SERVICES = "/apis/serving.knative.dev/v1/namespaces/functions/services"
# A release does the same with few rooms and functions as with all, which test_pulumi.py deploys: five times sooner.
_LEFT_OUT = {"observability", "workflows", "kong", "identity", "flagsmith", "llmops", "clients"}
_FUNCTIONS = {"gateway/chat", "knowledge/search", "platform/kpis", "platform/quota_mirror", "platform/tenants"}
_STEPS = ["configuration", "policy", "preview", "migrations", "up", "traffic", "smoke"]
_LONG = 300.0


class Edge(ThreadingHTTPServer):
    """Answers as an edge does whose functions nobody asks; or breaks."""

    broken = False


class _Handler(BaseHTTPRequestHandler):
    server: Edge

    def do_GET(self) -> None:
        if self.path == "/health/live":
            self.send_response(500 if self.server.broken else 200)
        else:
            self.send_response(401)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is its base class's
        pass


@pytest.fixture
def edge() -> Iterator[Edge]:
    with Edge(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster whose controllers make pods."""
    needs_pulumi()
    with api_server.running(tmp_path_factory.mktemp("staffed"), workloads=True) as running:
        api_server.install(running, definitions())
        yield running


@pytest.fixture
def node(staffed: Cluster) -> Iterator[PaperNode]:
    with paper_node(staffed) as made:
        yield made


@pytest.fixture
def checkout(staffed: Cluster, node: PaperNode, tmp_path: Path) -> Iterator[Checkout]:
    """A copy of the project with a stack of its own, which is gone afterwards."""
    made = check_out(tmp_path, staffed.kubeconfig, waits=True)
    shrink(made)
    yield made
    node.failing, node.holding = set(), False
    made.changed("destroy")
    namespaces = Objects(staffed)
    for name in NAMESPACES:
        item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        eventually(partial(_gone, namespaces, item))


def shrink(checkout: Checkout) -> None:
    """Leave rooms and functions out of a checkout."""
    rendering = checkout.folder / "iac" / "rendering.py"
    lines = rendering.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not any(line.startswith(f'    Room("{name}",') for name in _LEFT_OUT)]
    assert len(lines) - len(kept) == len(_LEFT_OUT)
    rendering.write_text("".join(kept))
    manifests = {
        str(path.parent.relative_to(checkout.folder / "functions")): path
        for path in checkout.folder.glob("functions/*/*/func.yaml")
    }
    assert manifests.keys() >= _FUNCTIONS
    for name in manifests.keys() - _FUNCTIONS:
        manifests[name].unlink()


def _gone(objects: Objects, item: Manifest) -> bool:
    return not objects.exists(item)


def traffic(cluster: Cluster) -> dict[str, list[tuple[str, int]]]:
    """How each function's traffic is shared: revisions and their percentages."""
    items = json.loads(cluster.call("GET", _SERVICES))["items"]
    return {
        item["metadata"]["name"]: [(one["revisionName"], one["percent"]) for one in item["spec"]["traffic"]]
        for item in items
    }


def steps(printed: str) -> list[str]:
    """The steps that were done."""
    return [line.partition(" ✓")[0] for line in printed.splitlines() if " ✓ " in line and not line.startswith(" ")]


def eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LONG
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.timeout(3600)
def test_a_release_goes_step_by_step_and_back(
    staffed: Cluster, node: PaperNode, checkout: Checkout, edge: Edge
) -> None:
    deploy = ("deploy", STACK, "--api", f"http://127.0.0.1:{edge.server_port}")
    first = checkout.dcoder(*deploy)
    assert first.returncode == 0, first.stdout[-3000:] + first.stderr
    assert steps(first.stdout) == [step for step in _STEPS if step != "traffic"]
    former = traffic(staffed)
    assert all(len(shares) == 1 for shares in former.values())

    checkout.pulumi("config", "set", "--path", "dcoder:release", "2.0")
    with checkout.edited("iac/workloads.py", '"readOnlyRootFilesystem": True', '"readOnlyRootFilesystem": False'):
        refused = checkout.dcoder(*deploy)
    assert refused.returncode == 1
    assert "policy failed: " in refused.stderr
    assert "may write to its image" in refused.stderr
    assert "Nothing was changed." in refused.stderr

    node.failing = {"migrate"}
    refused = checkout.dcoder(*deploy)
    assert refused.returncode == 1
    assert steps(refused.stdout) == _STEPS[:3]
    assert "migrations failed: " in refused.stderr
    assert "functions/migrate" in refused.stderr
    assert "No function was changed" in refused.stderr
    assert traffic(staffed) == former

    node.failing, edge.broken = set(), True
    refused = checkout.dcoder(*deploy)
    assert refused.returncode == 1
    assert steps(refused.stdout) == _STEPS[:6]
    assert "smoke failed: " in refused.stderr
    assert "/health/live: 500" in refused.stderr
    assert "The former revisions have all of the traffic again" in refused.stderr
    now = traffic(staffed)
    for name, shares in now.items():
        assert shares[0] == (former[name][0][0], 100), name
        assert shares[1][1] == 0, name

    edge.broken = False
    done = checkout.dcoder(*deploy)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert steps(done.stdout) == _STEPS
    assert {name: shares for name, shares in traffic(staffed).items() if len(shares) != 1 or shares[0][1] != 100} == {}
    assert {shares[0][0] for shares in traffic(staffed).values()} == {shares[1][0] for shares in now.values()}


@pytest.mark.timeout(3600)
def test_the_second_of_two_is_told_who_deploys(
    staffed: Cluster, node: PaperNode, checkout: Checkout, edge: Edge, tmp_path: Path
) -> None:
    arguments = ("deploy", STACK, "--api", f"http://127.0.0.1:{edge.server_port}")
    with deployment_lock(STACK, tmp_path / "here"):
        refused = checkout.at(tmp_path / "here").dcoder(*arguments)
    assert refused.returncode == 1
    assert f"{STACK} is being deployed by " in refused.stderr
    assert ", process " in refused.stderr

    # From another machine, nothing of this one's is seen but the lock of Pulumi's state.
    node.holding = True
    command = (sys.executable, "-c", "from local.cli import main; main()", *arguments)
    with subprocess.Popen(command, cwd=checkout.folder, env=dict(checkout.variables), stdout=subprocess.DEVNULL) as one:
        eventually(lambda: any((tmp_path / "state").rglob("locks/**/*.json")) or one.poll() is not None)
        refused = checkout.at(tmp_path / "elsewhere").dcoder(*arguments)
        assert refused.returncode == 1
        assert "the stack is currently locked" in refused.stderr
        assert f"(pid {one.pid}" not in refused.stderr, "it is Pulumi's process that holds it"
        assert "pid" in refused.stderr
        node.holding = False
        assert one.wait(_LONG) == 0
