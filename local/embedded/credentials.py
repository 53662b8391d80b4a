"""Every secret of an embedded stack: made once, kept in its state folder, readable by its owner alone."""

import secrets
from base64 import b64encode
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from local.paths import write_private


def _password() -> str:
    return secrets.token_hex(20)


class Credentials(BaseModel):
    """Passwords and keys of the servers and of the first person to sign in."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    postgres_password: str = Field(default_factory=_password)
    provisioner_password: str = Field(default_factory=_password)
    platform_password: str = Field(default_factory=_password)
    redis_password: str = Field(default_factory=_password)
    nats_password: str = Field(default_factory=_password)
    s3_access_key: str = Field(default_factory=lambda: f"dcoder{secrets.token_hex(7)}")
    s3_secret_key: str = Field(default_factory=_password)
    s3_functions_access_key: str = Field(default_factory=lambda: f"functions{secrets.token_hex(6)}")
    s3_functions_secret_key: str = Field(default_factory=_password)
    s3_session_key: str = Field(default_factory=lambda: b64encode(secrets.token_bytes(32)).decode())
    s3_encryption_key: str = Field(default_factory=lambda: secrets.token_hex(32))
    oidc_client_secret: str = Field(default_factory=_password)
    logto_webhook_key: str = Field(default_factory=_password)
    superadmin_password: str = Field(default_factory=lambda: secrets.token_urlsafe(12))

    @property
    def superadmin_email(self) -> str:
        """Who signs in first."""
        return "superadmin@dcoder.local"

    @classmethod
    def keep(cls, path: Path) -> "Credentials":
        """Those in the file; what it lacks is made and added."""
        text = path.read_text() if path.exists() else "{}"
        credentials = cls.model_validate_json(text)
        if (wanted := credentials.model_dump_json(indent=2)) != text:
            write_private(path, wanted)
        return credentials
