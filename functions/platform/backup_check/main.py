"""Every 15 minutes: whether base backups are recent and the log is archived."""

from functions.kit.eventing import event_function
from functions.kit.events import Event
from functions.platform.core.backups import CheckBackups
from functions.platform.wiring_sweeps import backup_check


async def check(use: CheckBackups, _: Event) -> None:
    """Do it now, however late it is."""
    await use()


handle = event_function(backup_check, name="platform-backup-check", database=None)(check)
