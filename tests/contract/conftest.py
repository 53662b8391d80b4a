"""The contract tests run against the same platform as the integration tests."""

from tests.integration.conftest import api, new_tenant, operator, operator_token, platform, tenant

__all__ = ["api", "new_tenant", "operator", "operator_token", "platform", "tenant"]
