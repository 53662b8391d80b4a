"""The instructions that models get: a tenant's own from the prompt library, else the released ones."""

from functions.kit.deployed_prompts import DeployedPrompts
from functions.kit.prompt_templates import render
from functions.knowledge.core.answer_ports import Instructions
from functions.knowledge.core.prompts import RELEASED, VALUES


class LibraryPrompts:
    """Port `Prompts`."""

    def __init__(self, deployed: DeployedPrompts) -> None:
        self._deployed = deployed

    async def find(self, tenant_id: str, name: str) -> Instructions:
        """The prompt of that name."""
        own = await self._deployed.find(tenant_id, name)
        template, version = (own.template, own.version) if own else (RELEASED[name], None)
        return Instructions(render(template, VALUES), version)
