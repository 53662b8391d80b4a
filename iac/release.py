"""One release onto one stack: judge, preview, migrate, deploy, move the traffic, ask; and back where a step fails.

`up` deploys new revisions beside those that serve, with no traffic (blue-green); Knative says of each when it is ready.
Then the traffic moves, and a smoke test asks the platform through its edge. What fails before the traffic moves has
served nobody; what fails afterwards gives the traffic back to the former revisions, which are still there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

Say = Callable[[str], None]
# Asks the platform at its public addresses; its error is told as it is.
Smoke = Callable[[Mapping[str, str]], None]

_UNTOUCHED = "Nothing was changed."
_MIGRATED = "No function was changed; schemas that were brought forward stay so."
_UNMOVED = "No traffic was moved: the former revisions serve. Look at what failed, mend it, deploy again."
_FIRST = "There is no former release to go back to; what was deployed is still there."
_BACK = (
    "The former revisions have all of the traffic again; the new ones are still there to be looked at. "
    "Schemas, settings and what is no function stay as this release has them."
)


class StackError(Exception):
    """Pulumi refuses, or something did not become ready; the message has its words."""


class SmokeFailed(Exception):
    """The platform does not answer as it should; the message says what it answered."""


class StepFailed(Exception):
    """A step did not do what it is for.

    Attributes:
        step: which one.
        why: in the words of whoever refused.
        now: what the stack is like.
    """

    def __init__(self, step: str, why: str, now: str) -> None:
        super().__init__(f"{step} failed: {why}\n{now}")
        self.step = step
        self.why = why
        self.now = now


class Stack(Protocol):
    """A stack as a release sees it. Every method raises StackError where Pulumi refuses."""

    def serving(self) -> dict[str, str]:
        """Revision of each function that was deployed as the one to serve; nothing before the first release."""
        ...

    def addresses(self) -> dict[str, str]:
        """Public addresses by name."""
        ...

    def roll_out(self, stable: Mapping[str, str], percent: int) -> None:
        """Set how traffic is shared from the next `up` on."""
        ...

    def read(self) -> str:
        """Read the configuration and render what it leads to; how many objects there are."""
        ...

    def judge(self) -> str:
        """Judge what was rendered by the policies; how many rules there are."""
        ...

    def preview(self) -> str:
        """What would change, in a line."""
        ...

    def migrate(self) -> str:
        """Deploy what functions need before they change, and run the release's Jobs; what changed, in a line."""
        ...

    def up(self) -> str:
        """Deploy; what changed, in a line."""
        ...


@dataclass
class Release:
    """One release.

    Args:
        percent: share of the traffic that the new revisions get; less than 100 is a canary.
    """

    stack: Stack
    smoke: Smoke
    say: Say
    percent: int = 100
    _former: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """All steps, in order.

        Raises:
            StepFailed: one failed; its message says which, why, and what the stack is like now.
        """
        self._step("configuration", self.stack.read, _UNTOUCHED)
        self._step("policy", self.stack.judge, _UNTOUCHED)
        self._step("preview", self._preview, _UNTOUCHED)
        self._step("migrations", self.stack.migrate, _MIGRATED)
        self._step("up", self.stack.up, _UNMOVED if self._former else _FIRST)
        if self._former:
            self._step("traffic", self._move)
        self._step("smoke", self._ask)
        share = self.percent if self._former else 100
        self.say(f"done: the new revisions have {share} % of the traffic")

    def _preview(self) -> str:
        self._former = self.stack.serving()
        self.stack.roll_out(self._former, 0 if self._former else 100)
        return self.stack.preview()

    def _move(self) -> str:
        self.stack.roll_out({} if self.percent == 100 else self._former, self.percent)
        return self.stack.up()

    def _ask(self) -> str:
        self.smoke(self.stack.addresses())
        return "the platform answers"

    def _step(self, name: str, act: Callable[[], str], now: str = "") -> None:
        self.say(f"{name} …")
        try:
            told = act()
        except (StackError, SmokeFailed) as error:
            raise StepFailed(name, str(error), now or self._back()) from error
        except KeyboardInterrupt:
            raise StepFailed(name, "it was interrupted", now or self._back()) from None
        self.say(f"{name} ✓ {told}")

    def _back(self) -> str:
        if not self._former:
            return _FIRST
        self.say("going back …")
        try:
            self.stack.roll_out(self._former, 0)
            self.stack.up()
        except StackError as error:
            return (
                f"Going back failed, too: {error}\nThe stack file names the former revisions: `pulumi up` tries again."
            )
        return _BACK
