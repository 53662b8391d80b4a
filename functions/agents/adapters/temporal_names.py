"""What the API and the worker call things in Temporal."""

TASK_QUEUE = "agents"
DEPLOYMENT = "dcoder-agents"
WORKFLOW = "AgentExecution"
BEGIN, WAIT, GATE, END = "execution.begin", "execution.wait", "execution.gate", "execution.end"


def workflow_id(tenant_id: str, execution_id: str, run: int) -> str:
    """The workflow of a run; the payload codec reads the tenant from it."""
    return f"{tenant_id}/{execution_id}/{run}"


def tenant_of(workflow_id_: str) -> str:
    """The tenant in a workflow's id."""
    return workflow_id_.partition("/")[0]
