"""What can go wrong with users, groups and API keys, as the caller is told."""

from functions.kit.errors import Conflict, Forbidden, NotFound, Unprocessable


class UserNotFound(NotFound):
    """The tenant has no such user."""

    code = "user_not_found"


class GroupNotFound(NotFound):
    """The tenant has no such group."""

    code = "group_not_found"


class ApiKeyNotFound(NotFound):
    """The tenant has no such API key."""

    code = "api_key_not_found"


class EmailTaken(Conflict):
    """Another user of the tenant has the address."""

    code = "email_taken"


class SubjectTaken(Conflict):
    """Another user of the tenant has the account."""

    code = "subject_taken"


class GroupNameTaken(Conflict):
    """Another group of the tenant has the name."""

    code = "group_name_taken"


class LastAdmin(Conflict):
    """Without this user the tenant would have no admin."""

    code = "last_admin"


class ApiKeyNotInForce(Conflict):
    """The key was revoked, has expired, or its user was deactivated."""

    code = "api_key_not_in_force"


class RoleTooHigh(Forbidden):
    """The role, given or touched, is above the caller's own."""

    code = "role_too_high"


class UnknownReference(Unprocessable):
    """A user or group that the body names does not exist in this tenant."""

    code = "unknown_reference"


class KeyAboveItsUser(Unprocessable):
    """An API key cannot have a role that its user does not have."""

    code = "key_above_its_user"
