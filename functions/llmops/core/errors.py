"""What can go wrong, as the caller is told."""

from functions.kit.errors import Conflict, NotFound, Unprocessable


class PromptNotFound(NotFound):
    """The tenant has no such prompt, or the prompt no such version."""

    code = "prompt_not_found"


class PromptNameTaken(Conflict):
    """The tenant has a prompt of that name; another text is a new version of it."""

    code = "prompt_name_taken"


class PromptDeployed(Conflict):
    """The prompt is deployed under a label; it can be removed when it is not."""

    code = "prompt_deployed"


class NothingToRollBack(Conflict):
    """Nothing was deployed under the label before what is there now."""

    code = "nothing_to_roll_back"


class TooManyPrompts(Conflict):
    """The tenant has as many prompts, or the prompt as many versions or labels, as there may be."""

    code = "too_many_prompts"


class PromptRefused(Unprocessable):
    """The text is no template, or has other variables than the platform fills in; the details say which."""

    code = "prompt_refused"


class PromptVariables(Unprocessable):
    """The values given are not those that the prompt needs; the details name them."""

    code = "prompt_variables"
