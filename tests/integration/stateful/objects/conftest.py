"""An S3 server for these tests alone, so that it can be killed and come back."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from functions.kit.settings import Settings
from local.embedded.component import Component
from local.embedded.components.objects import TENANT_ROLE, is_usable, objects
from local.embedded.credentials import Credentials
from local.embedded.ports import Ports


class Store:
    """The embedded stack's object store without its supervisor."""

    def __init__(self, folder: Path) -> None:
        self.ports = Ports.choose(folder / "ports.json", usable=is_usable)
        self.credentials = Credentials()
        environment = {"PATH": os.defpath, "HOME": str(folder)}
        self.component: Component = objects(
            folder / "s3", ports=self.ports, credentials=self.credentials, environment=environment
        )
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def settings(self, **changed: object) -> Settings:
        """What functions run with."""
        given = {
            "s3_endpoint": self.component.address,
            "s3_access_key": SecretStr(self.credentials.s3_functions_access_key),
            "s3_secret_key": SecretStr(self.credentials.s3_functions_secret_key),
            "s3_tenant_role": TENANT_ROLE,
            **changed,
        }
        return Settings.model_validate(given)

    def owner(self, **changed: object) -> Settings:
        """What buckets are made with: a key that reaches everything."""
        given = {
            "s3_access_key": SecretStr(self.credentials.s3_access_key),
            "s3_secret_key": SecretStr(self.credentials.s3_secret_key),
            "s3_tenant_role": "none",
        }
        return self.settings(**{**given, **changed})

    def start(self) -> None:
        self.component.prepare()
        self.ports.release(*self.component.ports)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.component.command, stdout=log, stderr=log, env=dict(self.component.environment)
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self.component.cleanup()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(tmp_path_factory.mktemp("objects"))
    made.start()
    yield made
    made.kill()
    made.ports.release_all()
