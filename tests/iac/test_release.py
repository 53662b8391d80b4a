"""A release goes forward step by step, and back when one fails. On a cluster: tests/cluster/test_deploy.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from iac.lock import Locked, deployment_lock
from iac.release import Release, SmokeFailed, StackError, StepFailed

FORMER = {"gateway-chat": "gateway-chat-11111111"}


@dataclass
class Stack:
    """The engine's side of a release: remembers what it was told, refuses where it is to.

    Attributes:
        refusing: what it refuses, in order.
        patience: how often it does what it is to refuse, first.
    """

    former: dict[str, str] = field(default_factory=lambda: dict(FORMER))
    refusing: list[str] = field(default_factory=list)
    patience: int = 0
    told: list[str] = field(default_factory=list)

    def serving(self) -> dict[str, str]:
        return self.former

    def addresses(self) -> dict[str, str]:
        return {"api": "https://api.example.com"}

    def roll_out(self, stable: Mapping[str, str], percent: int) -> None:
        self.told.append(f"{percent} % beside {len(stable)}")

    def read(self) -> str:
        return self._do("read")

    def judge(self) -> str:
        return self._do("judge")

    def preview(self) -> str:
        return self._do("preview")

    def migrate(self) -> str:
        return self._do("migrate")

    def up(self) -> str:
        return self._do("up")

    def _do(self, what: str) -> str:
        self.told.append(what)
        if self.refusing and self.refusing[0] == what:
            if self.patience:
                self.patience -= 1
                return what
            del self.refusing[0]
            raise StackError(f"{what} says no")
        return what


def release(stack: Stack, *, percent: int = 100, broken: bool = False) -> list[str]:
    def smoke(addresses: Mapping[str, str]) -> None:
        stack.told.append(f"ask {addresses['api']}")
        if broken:
            raise SmokeFailed("503 instead of 200")

    said: list[str] = []
    Release(stack, smoke, said.append, percent).run()
    return said


def test_new_revisions_are_there_before_the_traffic_moves() -> None:
    stack = Stack()
    said = release(stack)
    assert stack.told == [
        "read", "judge", "0 % beside 1", "preview", "migrate", "up", "100 % beside 0", "up", "ask https://api.example.com",
    ]  # fmt: skip
    assert said[-1] == "done: the new revisions have 100 % of the traffic"


def test_a_canary_keeps_the_former_revisions() -> None:
    stack = Stack()
    assert release(stack, percent=10)[-1] == "done: the new revisions have 10 % of the traffic"
    assert stack.told[-3:] == ["10 % beside 1", "up", "ask https://api.example.com"]


def test_the_first_release_has_nothing_beside_it() -> None:
    stack = Stack(former={})
    release(stack)
    assert stack.told == ["read", "judge", "100 % beside 0", "preview", "migrate", "up", "ask https://api.example.com"]


@pytest.mark.parametrize(
    ("refusing", "step", "now"),
    [
        ("read", "configuration", "Nothing was changed"),
        ("judge", "policy", "Nothing was changed"),
        ("preview", "preview", "Nothing was changed"),
        ("migrate", "migrations", "No function was changed"),
        ("up", "up", "No traffic was moved"),
    ],
)
def test_what_fails_before_the_traffic_moves_serves_nobody(refusing: str, step: str, now: str) -> None:
    stack = Stack(refusing=[refusing])
    with pytest.raises(StepFailed, match=rf"^{step} failed: {refusing} says no\n{now}"):
        release(stack)
    assert stack.told[-1] == refusing, "nothing comes after it"
    assert "100 % beside 0" not in stack.told


def test_traffic_that_does_not_move_goes_back() -> None:
    stack = Stack(refusing=["up"], patience=1)
    with pytest.raises(StepFailed, match=r"^traffic failed: up says no\nThe former revisions have all"):
        release(stack)
    assert stack.told[-2:] == ["0 % beside 1", "up"]


def test_going_back_may_fail_too() -> None:
    stack = Stack(refusing=["up", "up"], patience=1)
    with pytest.raises(
        StepFailed, match=r"^traffic failed: up says no\nGoing back failed, too: up says no\n.*tries again"
    ):
        release(stack)


def test_a_release_that_does_not_answer_goes_back() -> None:
    stack = Stack()
    with pytest.raises(StepFailed, match=r"^smoke failed: 503 instead of 200\nThe former revisions have all"):
        release(stack, broken=True)
    assert stack.told[-2:] == ["0 % beside 1", "up"]


def test_the_first_release_has_nothing_to_go_back_to() -> None:
    stack = Stack(former={})
    with pytest.raises(StepFailed, match="no former release"):
        release(stack, broken=True)
    assert stack.told[-1] == "ask https://api.example.com"


def test_one_deployment_at_a_time(tmp_path: Path) -> None:
    with deployment_lock("prod", tmp_path):
        with deployment_lock("staging", tmp_path):
            pass
        with (
            pytest.raises(Locked, match=r"^prod is being deployed by \S+@\S+, process \d+, since .* UTC$"),
            deployment_lock("prod", tmp_path),
        ):
            pass
    with deployment_lock("prod", tmp_path):
        pass
