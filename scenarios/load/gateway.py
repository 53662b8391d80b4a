"""`make bench-gateway`: the gateway beside its peers, in turn, on the same cores, in front of the same mocked provider.

Prints ratios: absolute times say little on a shared machine. `--peers portkey,litellm,mlflow` chooses; `--seconds N` is
the length of each measurement.
"""

import argparse
import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from scenarios.load.targets import HERE, PEER_TARGETS, Target, ours, provider
from scenarios.platform import ScenarioError

console = Console(soft_wrap=True)


@dataclass(frozen=True)
class Measurement:
    """One target under one number of connections; milliseconds and requests per second."""

    p50: float
    p99: float
    rate: float


@dataclass(frozen=True)
class Row:
    """A target's figures."""

    target: str
    one: Measurement
    many: Measurement
    memory_mb: float


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default="portkey,litellm")
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    install()
    rows = []
    with ExitStack() as stack:
        direct = stack.enter_context(provider())
        rows.append(measure(direct, options.seconds, options.connections))
        with ours(direct) as targets:
            rows.extend(measure(target, options.seconds, options.connections) for target in targets)
        for name in filter(None, options.peers.split(",")):
            with PEER_TARGETS[name](direct) as peer:
                rows.append(measure(peer, options.seconds, options.connections))
    show(rows, options.connections)
    return 0


def install() -> None:
    """The load generator and the Node peer, from the lock file."""
    if not (HERE / "node_modules" / ".package-lock.json").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=HERE, check=True)


def measure(target: Target, seconds: int, connections: int) -> Row:
    """A target's figures on one and on many connections, after a warm-up."""
    load(target, 2, connections)
    one, many = load(target, seconds, 1), load(target, seconds, connections)
    row = Row(target.name, one, many, target.memory_mb())
    console.print(f"{row.target}: {row.one.p50:.2f} ms and {row.one.rate:.0f}/s alone, {row.many.rate:.0f}/s together")
    return row


def load(target: Target, seconds: int, connections: int) -> Measurement:
    """Ask as fast as answers come.

    Raises:
        ScenarioError: an answer was not 2xx.
    """
    headers = [
        part for name, value in {"content-type": "application/json", **target.headers}.items()
        for part in ("-H", f"{name}={value}")
    ]  # fmt: skip
    command = [
        "node", "node_modules/autocannon/autocannon.js", "--json", "-m", "POST", "-c", str(connections),
        "-d", str(seconds), *headers, "-b", json.dumps(target.body), target.url,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    if result["non2xx"] or result["errors"]:
        raise ScenarioError(f"{target.name}: {result['non2xx']} refused, {result['errors']} failed")
    # Autocannon's latencies are whole milliseconds; on one connection the rate says them finer.
    p50 = 1000 / result["requests"]["average"] if connections == 1 else result["latency"]["p50"]
    return Measurement(p50, result["latency"]["p99"], result["requests"]["average"])


def show(rows: list[Row], connections: int) -> None:
    """The table, and ratios to ours on a miss."""
    base = next(row for row in rows if row.target == "ours, miss")
    direct = rows[0]
    table = Table("target", "1 conn: ms", "added ms", f"{connections} conn: req/s", "p99 ms", "MiB", "ours is")
    for row in rows:
        ratio = "" if row.target.startswith(("ours", "direct")) else f"{base.many.rate / row.many.rate:.1f}x"
        added = f"{row.one.p50 - direct.one.p50:.2f}"
        table.add_row(
            row.target, f"{row.one.p50:.2f}", added, f"{row.many.rate:.0f}", f"{row.many.p99:.0f}",
            f"{row.memory_mb:.0f}", ratio,
        )  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
