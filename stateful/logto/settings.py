"""Settings of the sync: where Logto is, as whom to ask, and where the clients are."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class LogtoSettings(BaseSettings):
    """Read from `DCODER_LOGTO_…` variables."""

    model_config = SettingsConfigDict(env_prefix="DCODER_LOGTO_", extra="ignore", env_ignore_empty=True)

    endpoint: str = Field("", description="Address of Logto, such as `https://auth.example.com`.")
    app_id: str = Field("", description="Machine-to-machine application with access to Logto's Management API.")
    app_secret: SecretStr | None = Field(None, description="Its secret.")
    management_api: str = Field(
        "https://default.logto.app/api", description="Indicator of the Management API; this one in a Logto of your own."
    )
    admin_url: str = Field("", description="Address of the admin dashboard, where it uses tokens of its own.")
    deloitte_url: str = Field("", description="Address of the Deloitte dashboard, where it uses tokens of its own.")
    doc_chat_url: str = Field("", description="Address of doc chat.")
    code_chat_url: str = Field("", description="Address of code chat.")
