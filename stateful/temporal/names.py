"""What those who make schedules and those who carry them out call things."""

WORKFLOW = "ScheduledCall"
DELIVER, TELL = "schedule.deliver", "schedule.tell"
