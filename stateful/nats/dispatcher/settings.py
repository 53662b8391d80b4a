"""Settings of the dispatcher alone; addresses come from the platform's settings."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class DispatcherSettings(BaseSettings):
    """How events are delivered, read from `DCODER_DISPATCHER_…` variables."""

    model_config = SettingsConfigDict(env_prefix="DCODER_DISPATCHER_", extra="ignore", env_ignore_empty=True)

    in_flight: int = Field(
        32, ge=1, le=1000, description="Most events of one function that a replica delivers at once."
    )
    ack_wait_seconds: float = Field(
        30.0, ge=0.5, description="NATS redelivers an event that was neither settled nor kept alive for this long."
    )
    max_tries: int = Field(
        20, ge=1, description="Failed tries, seen by one replica, after which an event is a dead letter."
    )
    retry_base_seconds: float = Field(
        1.0, gt=0, description="Wait before the second try; doubled for each further one."
    )
    retry_cap_seconds: float = Field(
        300.0, gt=0, description="Longest wait before a try, also if a function asks more."
    )
    probe_cap_seconds: float = Field(5.0, gt=0, description="Longest wait between looks at a function that is down.")
    unreachable_seconds: float = Field(
        86_400.0,
        gt=0,
        description="Age at which an event becomes a dead letter: its function cannot be reached, says 503 or fails.",
    )
    lag_alert: int = Field(
        1000,
        ge=1,
        description="Events that wait for a function, from which on operators get an alert; ended below half.",
    )
    drain_seconds: float = Field(25.0, ge=0, description="Longest wait for deliveries in flight after SIGTERM.")
