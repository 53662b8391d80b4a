"""What a tool said, cut to what a model is given."""

from functions.agents.core.tool_models import ToolAnswer
from functions.agents.core.toolbox import ToolResult

MOST_BYTES = 64 * 1024


def result_of(answer: ToolAnswer, duration_ms: int) -> ToolResult:
    """The answer within the limit; what was cut off is said at its end."""
    # Neither Postgres nor a model has a use for NUL, and half a surrogate is no text.
    text = answer.text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", errors="replace")
    size = max(answer.size or 0, len(text))
    if size <= MOST_BYTES:
        return ToolResult(text.decode(), answer.is_error, answer.error_code, duration_ms=duration_ms)
    kept = text[:MOST_BYTES].decode("utf-8", errors="ignore")
    mark = f"\n[… cut here: this is the beginning of {size} bytes]"
    return ToolResult(kept + mark, answer.is_error, answer.error_code, truncated=True, duration_ms=duration_ms)
