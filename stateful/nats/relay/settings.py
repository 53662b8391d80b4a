"""Settings of the relay alone; addresses come from the platform's settings."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class RelaySettings(BaseSettings):
    """How facts are carried to NATS, read from `DCODER_RELAY_…` variables."""

    model_config = SettingsConfigDict(env_prefix="DCODER_RELAY_", extra="ignore", env_ignore_empty=True)

    poll_seconds: float = Field(1.0, gt=0, description="Looks at the platform's outbox, besides notifications.")
    tenant_poll_seconds: float = Field(5.0, gt=0, description="Looks for tenants' databases that were written to.")
    full_sweep_seconds: float = Field(900.0, gt=0, description="Looks into every outbox, written to or not.")
    batch: int = Field(200, ge=1, le=1000, description="Outbox rows published in one transaction.")

    usage_batch: int = Field(500, ge=1, le=1000, description="Most usage records read, and put into an event, at once.")
    usage_pace_seconds: float = Field(
        0.02, ge=0, description="Least time between two batches, so that busy times make fewer, larger events."
    )
    usage_claim_seconds: float = Field(
        30.0, gt=0, description="Records that another relay has read and not settled for this long are taken over."
    )

    backlog_alert_seconds: int = Field(
        60,
        ge=2,
        description="Age of the oldest usage record or outbox row that waits, from which on operators get an alert; "
        "ended below half.",
    )
    backlog_look_seconds: float = Field(10.0, gt=0, description="Looks at what waits.")
