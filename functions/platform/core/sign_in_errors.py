"""What can go wrong at sign-in, as the browser is told."""

from functions.kit.errors import DependencyUnavailable, Forbidden, InvalidRequest


class ReturnRefused(InvalidRequest):
    """`returnTo` is neither a path of the platform nor an address of an allowed origin."""

    code = "return_address_refused"


class SignInExpired(InvalidRequest):
    """The sign-in was begun too long ago, in another browser, or is done already."""

    code = "sign_in_expired"


class SignInRefused(Forbidden):
    """The identity provider did not sign the user in, or its answer does not belong to this sign-in."""

    code = "sign_in_refused"


class SignInUnavailable(DependencyUnavailable):
    """Sign-in is not set up here."""

    code = "sign_in_unavailable"
