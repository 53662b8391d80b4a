"""What can go wrong, as the caller is told."""

from functions.kit.errors import Conflict, DcoderError, Forbidden, NotFound, Unprocessable


class ToolNotFound(NotFound):
    """There is no such tool for the tenant."""

    code = "tool_not_found"


class ToolDisabled(Forbidden):
    """The tool exists and the tenant has not enabled it."""

    code = "tool_disabled"


class GraphNotFound(NotFound):
    """There is no such graph."""

    code = "graph_not_found"


class ExecutionNotFound(NotFound):
    """There is no such execution for this caller."""

    code = "execution_not_found"


class ExecutionOver(Conflict):
    """The execution has ended, so it can be neither cancelled nor answered."""

    code = "execution_over"


class ExecutionNotOver(Conflict):
    """The execution has not ended, or has ended well: there is nothing to retry."""

    code = "execution_not_over"


class InterruptNotPending(Conflict):
    """The execution does not wait for this."""

    code = "interrupt_not_pending"


class InputRefused(Unprocessable):
    """The input does not fit the graph's schema; the details say where."""

    code = "input_refused"


class ModelRefused(DcoderError):
    """The LLM gateway does not take what the agent asks: not for this caller, or not of this model."""

    status = 502
    code = "model_refused"


class LimitReached(DcoderError):
    """An execution has used what it may."""

    status = 422
    code = "limit_reached"


class AgentFailed(DcoderError):
    """The execution behind a chat did not come to an answer; the details name it and say why."""

    status = 502
    code = "agent_failed"
