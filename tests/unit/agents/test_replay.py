"""Executions that older workers have begun go on with this one: recorded histories replay without a difference."""

from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.langgraph import LangGraphPlugin
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from functions.agents.adapters.temporal_graphs import graphs
from functions.agents.adapters.temporal_workflow import AgentExecution
from functions.agents.worker.working import workflow_runner

HISTORIES = {path.stem: path.read_text() for path in (Path(__file__).parent / "histories").glob("*.json")}


class Nodes:
    """Nodes by their names; a replay runs none."""

    async def nothing(self) -> None: ...

    reason = code = act = reflect = review_code = plan = execute = review = inquire = write = assess = nothing


def replayer() -> Replayer:
    return Replayer(
        workflows=[AgentExecution],
        plugins=[LangGraphPlugin(graphs=graphs(Nodes(), timedelta(seconds=10)))],
        workflow_runner=workflow_runner(),
    )


@pytest.mark.parametrize("name", sorted(HISTORIES))
async def test_recorded_histories_replay(name: str) -> None:
    await replayer().replay_workflow(WorkflowHistory.from_json(name, HISTORIES[name]))


async def test_a_history_of_other_steps_does_not() -> None:
    text = HISTORIES["code"].replace("code-assistant.code", "code-assistant.other")
    with pytest.raises(NondeterminismError):
        await replayer().replay_workflow(WorkflowHistory.from_json("other", text))
