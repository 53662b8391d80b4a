"""`make bench-gateway`: the gateway beside its peers, in turn, on the same cores, in front of the same mocked provider.

Prints ratios: absolute times say little on a shared machine, where processor time per request says more than waiting
does. `--peers portkey,litellm,mlflow` chooses; `--seconds N` is the length of each measurement; `--soak N` asks so many
requests instead and prints what memory and descriptors became of it.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, replace
from itertools import count
from statistics import median

from rich.console import Console
from rich.table import Table

from scenarios.load.asking import Load, Overrun, closed, open_loop
from scenarios.load.peers import PEER_TARGETS
from scenarios.load.targets import HERE, STREAMED, Ours, Target, bare_relay, cold, ours, provider, wait_for
from scenarios.platform import ScenarioError

console = Console(soft_wrap=True)
_PARTS = 10
_FRAMES = 13
_TURNS = 9
_TURN_SECONDS = 2.0
_OPEN_SECONDS = 4.0
# Requests a second that one worker is to make.
_GOAL = 3_000
# Where the search for the greatest rate at random moments begins, as a share of that on many connections, and its step.
_FIRST_SHARE, _FASTER = 0.4, 1.1
_unasked = count(3 * 10**8, 10**7)


@dataclass(frozen=True)
class Row:
    """A target's figures.

    Attributes:
        cpu_us: processor time per request on many connections, microseconds.
        turns: how many times its requests a second ours made, each time that they took turns.
        turns_by_cpu: the same by processor time per request.
    """

    target: str
    one: Load
    many: Load
    cpu_us: float
    memory_mb: float
    turns: tuple[float, ...] = ()
    turns_by_cpu: tuple[float, ...] = ()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default="portkey,litellm,mlflow")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--soak", type=int, default=0, help="requests to ask of ours alone")
    options = parser.parse_args()
    install()
    say_load()
    with ExitStack() as stack:
        direct = stack.enter_context(provider())
        if options.soak:
            with ours(direct) as own:
                soak(own.miss, options.soak, options.connections)
            return 0
        rows = [measure(direct, options.seconds, options.connections)]
        with ours(direct) as own:
            targets = (own.miss, own.hit, own.semantic)
            for target in targets:
                with own.undisturbed():
                    rows.append(measure(target, options.seconds, options.connections))
            half = rows[1].many.rate / 2
            console.print(embedding(direct, rows[3], options.seconds))
            with own.undisturbed():
                console.print(streaming(direct, own, options.seconds))
            for rate in (_GOAL / 2, kept_up(own, rows[1].many.rate * _FIRST_SHARE) / 2, half):
                console.print(opened(direct, own.miss, rate, own.undisturbed))
            console.print(started(own))
            beside = [bare_relay(direct, own)]
            beside += [PEER_TARGETS[name](direct) for name in filter(None, options.peers.split(","))]
            for one in beside:
                with one as peer, own.undisturbed():
                    row = measure(peer, options.seconds, options.connections)
                    rows.append(take_turns(row, own.miss, peer, options.connections))
                    console.print(opened(direct, peer, min(half, row.many.rate / 2)))
    show(rows, options.connections)
    say_load()
    return 0


def install() -> None:
    """The Node peer, from the lock file."""
    if not (HERE / "node_modules" / ".package-lock.json").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=HERE, check=True)


def say_load() -> None:
    """How busy the machine is besides."""
    console.print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")


def measure(target: Target, seconds: float, connections: int) -> Row:
    """A target's figures on one and on many connections, after a warm-up."""
    # What was asked before may have taken the answer to a hit out of the cache.
    wait_for(target)
    closed(target, connections, seconds=2)
    one = closed(replace(target, first=10**6), 1, seconds=seconds)
    many, cpu = together(replace(target, first=10**7), connections, seconds)
    row = Row(target.name, one, many, cpu, target.memory_mb())
    console.print(f"{row.target}: {one.last(0.5):.2f} ms alone, {many.rate:.0f}/s together, {cpu:.0f} µs of processor")
    return row


def together(target: Target, connections: int, seconds: float) -> tuple[Load, float]:
    """What comes of many connections, and the target's processor time per request in microseconds."""
    before = target.cpu_seconds()
    load = closed(target, connections, seconds=seconds)
    return load, 1e6 * (target.cpu_seconds() - before) / len(load.lasts)


def take_turns(row: Row, miss: Target, peer: Target, connections: int) -> Row:
    """The peer's row with how ours compares when the two are asked in short turns.

    The machine's speed changes within minutes, less so from one turn to the next.
    """
    rates, times = [], []
    for turn in range(_TURNS):
        # One goes first in every other turn. Nothing that was asked before is a miss.
        pair = (replace(miss, first=next(_unasked)), peer)
        done = {each.name: together(each, connections, _TURN_SECONDS) for each in (pair if turn % 2 else pair[::-1])}
        (ours_load, ours_cpu), (load, cpu) = done[miss.name], done[peer.name]
        rates.append(ours_load.rate / load.rate)
        times.append(cpu / ours_cpu)
    console.print(
        f"in turns with {peer.name}: {', '.join(f'{rate:.1f}' for rate in rates)} times its requests a second"
    )
    return replace(row, turns=tuple(rates), turns_by_cpu=tuple(times))


def embedding(direct: Target, semantic: Row, seconds: float) -> str:
    """A semantic hit without the embedder's own time."""
    url = direct.url.replace("/chat/completions", "/embeddings")
    asked = closed(replace(direct, url=url, body={"model": "e", "input": "Hello?"}), 1, seconds=seconds / 2)
    ours_alone, theirs = semantic.one.last(0.5), asked.last(0.5)
    return f"semantic hit: {ours_alone:.2f} ms at the median, of which the embedder {theirs:.2f} ms"


def streaming(direct: Target, own: Ours, seconds: float) -> str:
    """Time to the first frame, and that none was lost.

    Raises:
        ScenarioError: an answer had more or fewer frames than the provider sent.
    """
    plain = closed(replace(direct, body=STREAMED), 1, seconds=seconds / 2)
    one = closed(own.stream, 1, seconds=seconds / 2)
    many = closed(own.stream, 32, seconds=seconds / 2)
    for load in (plain, one, many):
        if load.frames != _FRAMES * len(load.lasts):
            raise ScenarioError(f"{load.frames} frames in {len(load.lasts)} streams of {_FRAMES}")
    added = one.first(0.5) - plain.first(0.5)
    counted = f"{one.frames + many.frames} frames in {len(one.lasts) + len(many.lasts)} streams, none lost"
    return f"streams: first frame {added:.2f} ms later at the median; {many.rate:.0f} streams/s; {counted}"


def kept_up(own: Ours, rate: float) -> float:
    """The greatest rate of calls at random moments that ours keeps up with.

    Less than it makes on a fixed number of connections: those wait for each other, and what comes together costs less.

    Args:
        rate: where to begin.
    """
    while not keeps_up(own, rate):
        rate /= _FASTER
    while keeps_up(own, rate * _FASTER):
        rate *= _FASTER
    console.print(f"open loop: ours, miss keeps up with {rate:.0f}/s")
    return rate


def keeps_up(own: Ours, rate: float) -> bool:
    """Whether ours does at this rate, in one of two tries."""
    for _ in range(2):
        with own.undisturbed(), suppress(Overrun):
            open_loop(replace(own.miss, first=next(_unasked)), rate, _OPEN_SECONDS)
            return True
    return False


def opened(
    direct: Target, target: Target, rate: float, around: Callable[[], AbstractContextManager[None]] = nullcontext
) -> str:
    """What is added at a rate, whatever the target does: the median of some turns, and each turn's 99th percentile.

    One turn in which the machine did something else for some milliseconds is not the target's.

    Args:
        around: what each turn is within.
    """
    medians, slow = [], []
    for _ in range(_TURNS):
        with around():
            plain = open_loop(direct, rate, _OPEN_SECONDS / 2)
            try:
                load = open_loop(replace(target, first=next(_unasked)), rate, _OPEN_SECONDS)
            except Overrun as error:
                return f"open loop: {error}"
        medians.append(load.last(0.5) - plain.last(0.5))
        slow.append(load.last(0.99) - plain.last(0.99))
    turns = ", ".join(f"{one:.1f}" for one in sorted(slow))
    added = f"p50 {median(medians):.2f} ms, p99 {median(slow):.2f} ms ({turns})"
    return f"open loop at {rate:.0f}/s: {target.name} added {added}"


def started(own: Ours) -> str:
    """Cold start, three times; the processor time is the program's, the rest the machine's."""
    found = []
    for start in range(4):
        with cold(own) as (target, seconds):
            # The first writes the bytecode that the others find.
            if start:
                found.append((seconds, target.cpu_seconds()))
    times = ", ".join(f"{seconds:.2f} s ({cpu:.2f} s of processor)" for seconds, cpu in sorted(found))
    return f"cold start to first answer: {times}"


def soak(target: Target, amount: int, connections: int) -> None:
    """Ask for long, and print what becomes of memory and descriptors."""
    closed(target, connections, amount=amount // 100)
    console.print(f"{'requests':>9} {'MiB':>7} {'files':>6} {'req/s':>6} {'µs/req':>7}")
    first = target.memory_mb(), target.descriptors()
    for part in range(_PARTS):
        before = target.cpu_seconds()
        load = closed(replace(target, first=(part + 1) * 10**7), connections, amount=amount // _PARTS)
        cpu = 1e6 * (target.cpu_seconds() - before) / len(load.lasts)
        done, memory = (part + 1) * amount // _PARTS, target.memory_mb()
        console.print(f"{done:9} {memory:7.1f} {target.descriptors():6} {load.rate:6.0f} {cpu:7.0f}")
    grown = f"{target.memory_mb() - first[0]:+.1f} MiB, {target.descriptors() - first[1]:+} descriptors"
    console.print(f"from after the warm-up to after {amount} requests: {grown}")


def show(rows: list[Row], connections: int) -> None:
    """The table; what ours makes of a peer's is the median of the turns."""
    direct = rows[0]
    table = Table(
        "target", "1 conn: ms", "added ms", f"{connections} conn: req/s", "p99 ms", "µs/req", "MiB", "ours is", "by µs"
    )
    for row in rows:
        table.add_row(
            row.target,
            f"{row.one.last(0.5):.2f}",
            f"{row.one.last(0.5) - direct.one.last(0.5):.2f}",
            f"{row.many.rate:.0f}",
            f"{row.many.last(0.99):.0f}",
            f"{row.cpu_us:.0f}",
            f"{row.memory_mb:.0f}",
            _times(row.turns),
            _times(row.turns_by_cpu),
        )
    console.print(table)


def _times(turns: tuple[float, ...]) -> str:
    return f"{median(turns):.{1 if median(turns) >= 1 else 2}f}x" if turns else ""


if __name__ == "__main__":
    sys.exit(main())
