"""What can go wrong with flags, as the caller is told."""

from functions.kit.errors import Conflict, DcoderError, DependencyUnavailable, InvalidRequest, NotFound, Unprocessable


class FlagNotFound(NotFound):
    """There is no such flag."""

    code = "flag_not_found"


class FlagValueInvalid(Unprocessable):
    """The value is not of the flag's type, or the state contradicts itself."""

    code = "flag_value_invalid"


class FlagNotSynchronised(Conflict):
    """The flag is declared and Flagsmith does not have it yet."""

    code = "flag_not_synchronised"


class FlagsmithRefused(DependencyUnavailable):
    """Flagsmith does not do what it is asked: its key, its environment or its version is not what it should be."""

    code = "flagsmith_refused"


class FlagWebhookNotFound(NotFound):
    """The tenant has registered no address."""

    code = "flag_webhook_not_found"


class WebhookAddressRefused(InvalidRequest):
    """The address is not one the platform calls."""

    code = "webhook_address_refused"


class WebhookUndelivered(DcoderError):
    """The receiver of a webhook did not take it."""

    code = "webhook_undelivered"
    status = 502
