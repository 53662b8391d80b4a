"""What the context needs from the outside; all of it belongs to the current unit of work."""

from collections.abc import Sequence
from typing import Protocol

from functions.llmops.core.models import Deployment, Prompt, Version


class Prompts(Protocol):
    """The tenants' prompts."""

    async def count(self, tenant_id: str) -> int:
        """How many a tenant has."""
        ...

    async def add(self, prompt: Prompt) -> None:
        """Enter a prompt.

        Raises:
            PromptNameTaken: the tenant has one of that name.
        """
        ...

    async def find(self, tenant_id: str, name: str, *, lock: bool = False) -> Prompt | None:
        """The prompt of that name; locked, nobody else changes it until the unit of work ends."""
        ...

    async def page(self, tenant_id: str, limit: int, after: str | None) -> Sequence[Prompt]:
        """A tenant's prompts by name, beyond the one named `after`."""
        ...

    async def remove(self, prompt: Prompt) -> None:
        """Remove a prompt with its versions and its history."""
        ...

    async def add_version(self, prompt: Prompt, version: Version) -> None:
        """Enter a version, from now on the newest."""
        ...

    async def version(self, prompt: Prompt, number: int) -> Version | None:
        """The version of that number."""
        ...

    async def versions(self, prompt: Prompt, limit: int, before: int | None) -> Sequence[Version]:
        """A prompt's versions, newest first, older than number `before`."""
        ...

    async def deployed(self, prompt: Prompt, label: str) -> Deployment | None:
        """What was last done to a label."""
        ...

    async def deployment(self, prompt: Prompt, deployment_id: str) -> Deployment | None:
        """The deployment of that id."""
        ...

    async def deploy(self, prompt: Prompt, deployment: Deployment) -> None:
        """Enter a deployment, from now on what holds for its label."""
        ...

    async def deployments(self, prompt: Prompt, limit: int, before: str | None) -> Sequence[Deployment]:
        """All that was done to a prompt's labels, newest first, before the deployment of that id."""
        ...
