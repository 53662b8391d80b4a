"""Some thousands of the hundred thousand bad requests of scenarios/chaos/bad_inputs.py."""

import json

from scenarios.chaos.bad_inputs import Generator, bombard, targets_of
from tests.platform import Platform, Tenant


async def test_nothing_breaks_hangs_or_tells(platform: Platform, operator_token: str, tenant: Tenant) -> None:
    generator = Generator(7, [operator_token, tenant.key], [tenant.id, tenant.key_id, "openai"])
    report = json.loads(platform.dcoder("status", "--json").stdout)
    findings = await bombard(targets_of(report), generator.request, 3_000)
    assert not findings.wrong, "\n".join(findings.wrong[:10])
    assert findings.statuses.total() == 3_000
    assert {401, 403, 404, 422} <= findings.statuses.keys()
