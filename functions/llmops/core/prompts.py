"""The prompt library: texts for models in versions, deployed under labels, taken back, filled in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from functions.kit.cursors import decode_cursor, encode_cursor
from functions.kit.deployed_prompts import PLATFORM_PROMPTS
from functions.kit.errors import InvalidRequest
from functions.kit.prompt_templates import TemplateError, render, rendered_length, variables
from functions.llmops.core.errors import (
    NothingToRollBack,
    PromptDeployed,
    PromptNotFound,
    PromptRefused,
    PromptVariables,
    TooManyPrompts,
)
from functions.llmops.core.models import Deployment, Prompt, Version
from functions.llmops.core.ports import Prompts

MOST_PROMPTS, MOST_VERSIONS, MOST_LABELS = 1_000, 1_000, 20
# Of a filled-in prompt, in characters.
MOST_RENDERED = 1_000_000


@dataclass(frozen=True, slots=True)
class Author:
    """Who asks, and for which tenant.

    Attributes:
        name: subject of the credential.
    """

    tenant_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A version as it is sent."""

    template: str
    note: str = ""


class PromptLibrary:
    """The use cases. A prompt that the author's tenant does not have does not exist.

    Args:
        new_id: makes ids that sort by the time they were made.
        now: tells the time.
    """

    def __init__(self, prompts: Prompts, new_id: Callable[[], str], now: Callable[[], datetime]) -> None:
        self._prompts = prompts
        self._new_id = new_id
        self._now = now

    async def create(self, author: Author, name: str, description: str, draft: Draft) -> tuple[Prompt, Version]:
        """Enter a prompt with its first version; nothing is deployed by that.

        Raises:
            PromptNameTaken: the tenant has one of that name.
            PromptRefused: the text is no template, or lacks what the platform needs in this one.
            TooManyPrompts: there are as many as there may be.
        """
        needed = _variables(name, draft.template)
        if await self._prompts.count(author.tenant_id) >= MOST_PROMPTS:
            raise TooManyPrompts(f"a tenant may have {MOST_PROMPTS} prompts")
        now = self._now()
        prompt = Prompt(self._new_id(), author.tenant_id, name, description, 1, author.name, now)
        version = Version(1, draft.template, needed, draft.note, author.name, now)
        await self._prompts.add(prompt)
        await self._prompts.add_version(prompt, version)
        return prompt, version

    async def get(self, author: Author, name: str) -> Prompt:
        """One prompt.

        Raises:
            PromptNotFound: there is none.
        """
        return await self._known(author, name)

    async def page(self, author: Author, limit: int, cursor: str | None) -> tuple[Sequence[Prompt], str | None]:
        """The tenant's prompts by name, and the cursor of the next page."""
        after = _text_in(cursor) if cursor else None
        found = await self._prompts.page(author.tenant_id, limit + 1, after)
        return found[:limit], encode_cursor(found[limit - 1].name) if len(found) > limit else None

    async def remove(self, author: Author, name: str) -> None:
        """Remove a prompt with all its versions.

        Raises:
            PromptNotFound: there is none.
            PromptDeployed: somebody may be using it.
        """
        prompt = await self._known(author, name, lock=True)
        if prompt.labels:
            raise PromptDeployed("take it from its labels first", details={"labels": sorted(prompt.labels)})
        await self._prompts.remove(prompt)

    async def add_version(self, author: Author, name: str, draft: Draft) -> Version:
        """Enter the next version; what is deployed stays so.

        Raises:
            PromptNotFound: there is no such prompt.
            PromptRefused: the text is no template, or lacks what the platform needs in this one.
            TooManyPrompts: there are as many versions as there may be.
        """
        needed = _variables(name, draft.template)
        prompt = await self._known(author, name, lock=True)
        if prompt.latest >= MOST_VERSIONS:
            raise TooManyPrompts(f"a prompt may have {MOST_VERSIONS} versions")
        version = Version(prompt.latest + 1, draft.template, needed, draft.note, author.name, self._now())
        await self._prompts.add_version(prompt, version)
        return version

    async def version(self, author: Author, name: str, number: int) -> Version:
        """One version.

        Raises:
            PromptNotFound: there is no such prompt, or version.
        """
        return await self._version(await self._known(author, name), number)

    async def versions(
        self, author: Author, name: str, limit: int, cursor: str | None
    ) -> tuple[Sequence[Version], str | None]:
        """A prompt's versions, newest first, and the cursor of the next page.

        Raises:
            PromptNotFound: there is no such prompt.
        """
        prompt = await self._known(author, name)
        # Numbers beyond what a version can have are no integers of the database's.
        before = max(0, min(int(decode_cursor(cursor, int)[0]), MOST_VERSIONS + 1)) if cursor else None
        found = await self._prompts.versions(prompt, limit + 1, before)
        return found[:limit], encode_cursor(found[limit - 1].number) if len(found) > limit else None

    async def deploy(self, author: Author, name: str, label: str, number: int) -> Prompt:
        """Have a version hold for a label; nothing happens when it does already.

        Raises:
            PromptNotFound: there is no such prompt, or version.
            TooManyPrompts: the prompt has as many labels as there may be.
        """
        prompt = await self._known(author, name, lock=True)
        await self._version(prompt, number)
        if prompt.labels.get(label) == number:
            return prompt
        before = await self._prompts.deployed(prompt, label)
        if label not in prompt.labels and len(prompt.labels) >= MOST_LABELS:
            raise TooManyPrompts(f"a prompt may have {MOST_LABELS} labels")
        return await self._put(author, prompt, label, number, before.id if before else None)

    async def withdraw(self, author: Author, name: str, label: str) -> Prompt:
        """Take a label from a prompt, so that the platform's own wording holds again; sound to repeat.

        Raises:
            PromptNotFound: there is no such prompt.
        """
        prompt = await self._known(author, name, lock=True)
        before = await self._prompts.deployed(prompt, label)
        if before is None or before.version is None:
            return prompt
        return await self._put(author, prompt, label, None, before.id)

    async def roll_back(self, author: Author, name: str, label: str) -> Prompt:
        """Have hold again what was deployed under the label before; again and again, back to the first.

        Raises:
            PromptNotFound: there is no such prompt.
            NothingToRollBack: there was nothing before.
        """
        prompt = await self._known(author, name, lock=True)
        now = await self._prompts.deployed(prompt, label)
        before = await self._prompts.deployment(prompt, now.previous_id) if now and now.previous_id else None
        if before is None:
            raise NothingToRollBack("nothing was deployed under this label before")
        return await self._put(author, prompt, label, before.version, before.previous_id)

    async def deployments(
        self, author: Author, name: str, limit: int, cursor: str | None
    ) -> tuple[Sequence[Deployment], str | None]:
        """All that was done to a prompt's labels, newest first, and the cursor of the next page.

        Raises:
            PromptNotFound: there is no such prompt.
        """
        prompt = await self._known(author, name)
        before = _text_in(cursor) if cursor else None
        found = await self._prompts.deployments(prompt, limit + 1, before)
        return found[:limit], encode_cursor(found[limit - 1].id) if len(found) > limit else None

    async def render(
        self, author: Author, name: str, values: Mapping[str, str], *, number: int | None, label: str | None
    ) -> tuple[str, int]:
        """A version's text with the values filled in, and the version's number.

        Args:
            number: of the version; else the one under the label, else the newest.

        Raises:
            PromptNotFound: there is no such prompt or version, or none under the label.
            PromptVariables: a value is missing, is for nothing, or makes the text too long.
        """
        prompt = await self._known(author, name)
        wanted = number or (prompt.labels.get(label, 0) if label else prompt.latest)
        version = await self._version(prompt, wanted)
        missing, unknown = set(version.variables) - values.keys(), values.keys() - set(version.variables)
        if missing or unknown:
            details = {"missing": sorted(missing), "unknown": sorted(unknown)}
            raise PromptVariables("the values are not those that the prompt needs", details=details)
        # One long value in thousands of places would fill the memory of everybody's process.
        if rendered_length(version.template, values) > MOST_RENDERED:
            raise PromptVariables(f"the text would be longer than {MOST_RENDERED} characters")
        return render(version.template, values), version.number

    async def _known(self, author: Author, name: str, *, lock: bool = False) -> Prompt:
        prompt = await self._prompts.find(author.tenant_id, name, lock=lock)
        if prompt is None:
            raise PromptNotFound("there is no such prompt")
        return prompt

    async def _version(self, prompt: Prompt, number: int) -> Version:
        version = await self._prompts.version(prompt, number)
        if version is None:
            raise PromptNotFound("the prompt has no such version", details={"latest": prompt.latest})
        return version

    async def _put(
        self, author: Author, prompt: Prompt, label: str, number: int | None, previous_id: str | None
    ) -> Prompt:
        deployment = Deployment(self._new_id(), label, number, previous_id, author.name, self._now())
        await self._prompts.deploy(prompt, deployment)
        labels = {name: at for name, at in prompt.labels.items() if name != label}
        return replace(prompt, labels=labels if number is None else {**labels, label: number})


def _text_in(cursor: str) -> str:
    """The name or id in a cursor.

    Raises:
        InvalidRequest: it is no cursor of these listings.
    """
    text = str(decode_cursor(cursor, str)[0])
    if not (text.isascii() and text.isprintable()):
        raise InvalidRequest("cursor is not valid", details={"parameter": "cursor"})
    return text


def _variables(name: str, template: str) -> list[str]:
    """The values that a version of the prompt needs.

    Raises:
        PromptRefused: it is no template, or of the platform's own prompts and needs other values than there are.
    """
    try:
        needed = variables(template)
    except TemplateError as error:
        raise PromptRefused(str(error), details={"position": error.position}) from error
    given = PLATFORM_PROMPTS.get(name, needed)
    if needed != given:
        details = {"missing": sorted(given - needed), "unknown": sorted(needed - given)}
        words = ", ".join(f"{{{{{each}}}}}" for each in sorted(given)) or "none"
        raise PromptRefused(f"the variables of {name} are fixed: {words}", details=details)
    return sorted(needed)
