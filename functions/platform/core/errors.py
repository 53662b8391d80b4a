"""What can go wrong, as the caller is told."""

from functions.kit.errors import Conflict, DcoderError, DependencyUnavailable, NotFound, Unprocessable


class TenantNotFound(NotFound):
    """There is no such tenant."""

    code = "tenant_not_found"


class TenantNotReady(Conflict):
    """The tenant is still being provisioned."""

    code = "tenant_not_ready"


class TenantChanged(DcoderError):
    """The tenant is no longer the one that `If-Match` names (RFC 9110, section 13.1.1)."""

    code = "tenant_changed"
    status = 412


class SlugTaken(Conflict):
    """Another tenant has the slug."""

    code = "slug_taken"


class ProvisioningFailed(DependencyUnavailable):
    """A tenant's database could not be made; nothing is left of the attempt."""

    code = "provisioning_failed"


class ProviderKeyMissing(Unprocessable):
    """A provider needs a key: it is new, or the stored one was given for another kind or host."""

    code = "provider_key_missing"
