r"""Templates of prompts: text in which `{{name}}` stands for a value, and `\{{` for the two braces themselves.

Tenants write them, so there is nothing in them that could run: no conditions, no calls, no attributes of values. A
value is put in as it is; braces in it mean nothing.
"""

import re
from collections.abc import Iterator, Mapping

_BRACES = re.compile(r"\\\{\{|\{\{ *(?P<name>[A-Za-z][A-Za-z0-9_]{0,63}) *\}\}|\{\{")


class TemplateError(ValueError):
    """The text is no template.

    Attributes:
        position: where the braces are that name no variable, in characters.
    """

    def __init__(self, position: int) -> None:
        super().__init__(f"the braces at character {position} name no variable; write \\{{{{ where braces are meant")
        self.position = position


def variables(template: str) -> frozenset[str]:
    """Names of the values that a template needs.

    Raises:
        TemplateError: it is none.
    """
    return frozenset(name for _, name in _parts(template) if name is not None)


def render(template: str, values: Mapping[str, str]) -> str:
    """The text with the values in their places.

    Raises:
        TemplateError: it is no template.
        KeyError: a value is missing.
    """
    return "".join(text if name is None else values[name] for text, name in _parts(template))


def rendered_length(template: str, values: Mapping[str, str]) -> int:
    """How many characters `render` would make.

    Raises:
        TemplateError: it is no template.
        KeyError: a value is missing.
    """
    return sum(len(text if name is None else values[name]) for text, name in _parts(template))


def _parts(template: str) -> Iterator[tuple[str, str | None]]:
    """Its texts as they are meant, and the names between them."""
    end = 0
    for found in _BRACES.finditer(template):
        yield template[end : found.start()], None
        end = found.end()
        if found["name"] is not None:
            yield "", found["name"]
        elif found[0].startswith("\\"):
            yield "{{", None
        else:
            raise TemplateError(found.start())
    yield template[end:], None
