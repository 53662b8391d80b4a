"""The workflow of periodic work: has a function called, for as long as it takes, and says when it came to nothing.

Whoever changes it keeps running ones in mind: they live for hours at most, and go on with the new code.
"""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from functions.kit.clock import rfc3339
    from stateful.temporal.names import DELIVER, TELL, WORKFLOW

_DUE = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
_AGAIN = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=5))
# A dispatcher that was silent for so long is dead; another one calls again.
_SILENT = timedelta(seconds=30)
# Beyond the function's own timeout, at which the call ends by itself.
_MARGIN = timedelta(seconds=15)
_TELLING = timedelta(seconds=10)
_TOLD_WITHIN = timedelta(hours=1)


@workflow.defn(name=WORKFLOW)
class ScheduledCall:
    """One time that a function is due."""

    @workflow.run
    async def run(self, order: dict[str, Any]) -> None:
        """Have it called.

        Args:
            order: `function`, `timeoutSeconds` of one call, `patienceSeconds` for all tries.

        Raises:
            ActivityError: it was refused, or failed for too long; somebody has been told.
        """
        info = workflow.info()
        due = info.typed_search_attributes.get(_DUE) or info.start_time
        timeout = timedelta(seconds=order["timeoutSeconds"]) + _MARGIN
        try:
            await workflow.execute_activity(
                DELIVER,
                {"function": order["function"], "due": rfc3339(due)},
                start_to_close_timeout=timeout,
                schedule_to_close_timeout=timeout + timedelta(seconds=order["patienceSeconds"]),
                heartbeat_timeout=_SILENT,
                retry_policy=_AGAIN,
            )
        except ActivityError as error:
            if not is_cancelled_exception(error):
                await self._tell(order, "failing", str(error.cause or error))
            raise
        if workflow.get_last_failure() is not None:
            await self._tell(order, "recovered", "")

    @staticmethod
    async def _tell(order: dict[str, Any], state: str, detail: str) -> None:
        await workflow.execute_activity(
            TELL,
            {"function": order["function"], "state": state, "detail": detail[:1000]},
            start_to_close_timeout=_TELLING,
            schedule_to_close_timeout=_TOLD_WITHIN,
            retry_policy=_AGAIN,
        )
