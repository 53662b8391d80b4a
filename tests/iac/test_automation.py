"""What is read off Pulumi's words and its state."""

from typing import Any

import pytest

from iac.automation import refusal, stays_with, summary

LOCKED = """
 code: 255
 stdout: Updating (dev):

 stderr: error: the stack is currently locked by 1 lock(s). Either wait or `pulumi cancel`.
  file:///state/.pulumi/locks/dev/1.json: created by root@vm (pid 23066) at 2026-11-26T19:31:23Z
"""
FAILED = """
 code: 255
 stdout: Updating (dev):
 +  kubernetes:batch/v1:Job functions/migrate-1 **creating failed** error: 1 error occurred:
Diagnostics:
  kubernetes:batch/v1:Job (functions/migrate-1):
    error: 1 error occurred:
        * [BackoffLimitExceeded] Job has reached the specified backoff limit

  pulumi:pulumi:Stack (dcoder-dev):
    error: update failed

Outputs:
    release: "2.0"

Resources:
    + 3 created
"""


def knative_service(name: str, *shares: tuple[str, int, str]) -> dict[str, Any]:
    traffic = [{"revisionName": revision, "percent": percent, "tag": tag} for revision, percent, tag in shares]
    inputs = {"metadata": {"name": name}, "spec": {"traffic": traffic}}
    return {"type": "kubernetes:serving.knative.dev/v1:Service", "inputs": inputs}


def test_who_holds_a_lock_is_said() -> None:
    first, second = refusal(LOCKED).splitlines()
    assert first.startswith("error: the stack is currently locked by 1 lock(s)")
    assert "created by root@vm (pid 23066)" in second


def test_of_a_failure_the_reason_alone_is_said() -> None:
    assert refusal(FAILED).splitlines() == [
        "kubernetes:batch/v1:Job (functions/migrate-1):",
        "error: 1 error occurred:",
        "* [BackoffLimitExceeded] Job has reached the specified backoff limit",
    ]


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([("f-1", 100, "candidate")], "f-1"),
        ([("f-1", 100, "stable"), ("f-2", 0, "candidate")], "f-1"),
        ([("f-1", 40, "stable"), ("f-2", 60, "candidate")], "f-1"),
    ],
)
def test_a_release_that_failed_is_not_taken_for_the_former_one(
    shares: list[tuple[str, int, str]], expected: str
) -> None:
    others = {"type": "kubernetes:core/v1:Service", "inputs": {}}
    assert dict(stays_with([others, knative_service("f", *shares)])) == {"f": expected}


def test_changes_are_counted() -> None:
    assert summary({"create": 3, "same": 412}) == "3 create"
    assert summary({"same": 415}) == "no change"
