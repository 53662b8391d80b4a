"""`logto.yaml` and its scripts."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from stateful.logto.declaration import FOLDER, DeclarationError, load_declaration

ADDRESSES = {
    "public_url": "https://api.example.com/",
    "admin_url": "https://admin.example.com",
    "deloitte_url": "",
    "doc_chat_url": "https://chat.example.com",
    "code_chat_url": "",
}


def test_addresses_are_filled_in_and_what_lacks_one_is_left_out() -> None:
    declared, left_out = load_declaration(ADDRESSES)
    assert left_out == ["deloitte-dashboard", "code-chat"]
    assert declared.webhook.url == "https://api.example.com/v1/webhooks/logto"
    assert {application.key for application in declared.applications} == {
        "platform",
        "admin-dashboard",
        "doc-chat",
        "automation",
    }


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("{admin_url}/callback", "{nobody_url}/callback", "no such address: nobody_url"),
        ('scopes: ["members:manage"]', 'scopes: ["members:eat"]', "members:eat"),
        ("roles: [service]", "roles: [superadmin]", "superadmin"),
        ("accessTokenTtl: 600", "accessTokenTtl: 0", "accessTokenTtl"),
        ("webhook:", "webhooks:", "webhook"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, old: str, new: str, fault: str) -> None:
    path = tmp_path / "logto.yaml"
    path.write_text((FOLDER / "logto.yaml").read_text().replace(old, new))
    with pytest.raises(DeclarationError, match=fault):
        load_declaration(ADDRESSES, path)


def claims(script: str, context: dict[str, Any]) -> dict[str, Any]:
    """What Logto would add to a token, by the script itself."""
    node = shutil.which("node")
    assert node
    program = (FOLDER / script).read_text() + (
        f"\ngetCustomJwtClaims({{ token: {{}}, context: {json.dumps(context)}, environmentVariables: {{}} }})"
        ".then((claims) => console.log(JSON.stringify(claims)));"
    )
    done = subprocess.run([node, "-e", program], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


ADA = {
    "primaryEmail": "ada@example.com",
    "roles": [{"id": "1", "name": "superadmin"}],
    "organizations": [{"id": "o1"}, {"id": "o2"}],
    "organizationRoles": [
        {"organizationId": "o1", "roleId": "1", "roleName": "admin"},
        {"organizationId": "o1", "roleId": "2", "roleName": "superadmin"},
        {"organizationId": "o2", "roleId": "3", "roleName": "user"},
    ],
}


def test_a_person_has_the_roles_of_the_organisation_that_the_token_is_for() -> None:
    nobody = {**ADA, "roles": [], "primaryEmail": None}
    acme = {"id": "o1", "customData": {"tenantId": "t1"}}
    assert claims("access-token.js", {"user": nobody, "organization": acme}) == {"roles": ["admin"], "tenant_id": "t1"}
    beta = {"id": "o2", "customData": {}}
    assert claims("access-token.js", {"user": nobody, "organization": beta}) == {"roles": ["user"]}
    assert claims("access-token.js", {"user": nobody}) == {"roles": []}
    assert claims("access-token.js", {"user": ADA}) == {
        "roles": ["superadmin"],
        "email": "ada@example.com",
        "email_verified": True,
    }


def test_no_organisation_makes_anybody_an_operator() -> None:
    acme = {"id": "o1", "customData": {"tenantId": "t1"}}
    assert "superadmin" not in claims("access-token.js", {"user": {**ADA, "roles": []}, "organization": acme})["roles"]


@pytest.mark.parametrize(
    ("custom", "expected"),
    [
        ({"tenantId": "t1", "role": "admin"}, {"roles": ["admin"], "tenant_id": "t1"}),
        ({"tenantId": "t1", "role": "superadmin"}, {"roles": [], "tenant_id": "t1"}),
        ({"role": "superadmin"}, {"roles": ["superadmin"]}),
        ({"role": "admin"}, {"roles": []}),
        ({}, {"roles": []}),
    ],
)
def test_a_program_is_what_its_custom_data_say(custom: dict[str, str], expected: dict[str, object]) -> None:
    assert claims("client-credentials.js", {"application": {"customData": custom}}) == expected
    assert claims("client-credentials.js", {}) == {"roles": []}
