"""A stack file that is wrong says so at preview: which setting, what is wrong, and how to mend it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from iac.configuration.loading import ConfigurationError, load, parse
from iac.rendering import render
from iac.secret_values import MissingSecret, SecretValues
from iac.stack import Platform, UnknownImage
from tests.iac.conftest import ROOT_SECRET, stack

ROOT = Path(__file__).resolve().parents[2]


def replaced(given: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(given))
    *folders, last = path.split(".")
    place = changed
    for part in folders:
        place = place.setdefault(part, {})
    if value is None:
        del place[last]
    else:
        place[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "fix"),
    [
        ("environment", "production", "pulumi config set --path 'dcoder:environment' dev"),
        ("registry", None, "pulumi config set --path 'dcoder:registry' registry.example.com/dcoder"),
        ("cluster.domain", None, "pulumi config set --path 'dcoder:cluster.domain' dcoder.example.com"),
        ("cluster.domain", "Not a domain", "pulumi config set --path 'dcoder:cluster.domain' dcoder.example.com"),
        ("postgres.storage.size", "5 gigs", "pulumi config set --path 'dcoder:postgres.storage.size' 20Gi"),
        ("postgres.instances", 0, "pulumi config set --path 'dcoder:postgres.instances' 3"),
        ("nats.replicas", 2, "pulumi config set --path 'dcoder:nats.replicas' 1"),
        ("redis.edge.eviction", "sometimes", "'dcoder:redis.edge.eviction' noeviction"),
        ("digests.kong", "latest", "pulumi config set --path 'dcoder:digests.kong'"),
        ("kong.replica", 3, "fix: remove it; kong knows edition, replicas"),
        ("postgress", {}, "fix: remove it; a stack knows environment, registry"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_its_fix(path: str, value: Any, fix: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(replaced(stack(), path, value))
    assert f"dcoder:{path}:" in str(caught.value)
    assert fix in str(caught.value)


def test_streams_without_room_name_the_least_that_they_need() -> None:
    with pytest.raises(ConfigurationError) as caught:
        render(Platform(parse(stack({"nats": {"storage": {"size": "5Gi"}}}))))
    assert "dcoder:nats.storage.size: 5Gi is less than the 13Gi" in str(caught.value)
    assert "pulumi config set --path 'dcoder:nats.storage.size' 13Gi" in str(caught.value)


def test_policies_need_nothing_that_their_pack_lacks() -> None:
    names = "{name.partition('.')[0] for name in sys.modules}"
    asked = subprocess.run(
        [sys.executable, "-c", f"import sys, iac.policies.rules; print(*{names} & {{'stateful', 'pulumi', 'nats'}})"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert asked.stdout.split() == []


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("secrets.root", None, "pulumi config set --secret --path 'dcoder:secrets.root'"),
        ("secrets.root", "short", "dcoder:secrets.root"),
        ("secrets.values.serviceKeys", None, "--secret --path 'dcoder:secrets.values.serviceKeys'"),
        ("secrets.values.oidcClientSekret", "x", "oidcClientSekret"),
        ("functions.scale", {"gateway-chats": {"min": 1}}, "names no function: gateway-chats"),
        ("functions.settings", {"log_levle": "debug"}, "no setting log_levle"),
        ("functions.settings", {"flags_webhook_secret": "hush"}, "may not hold secrets: flags_webhook_secret"),
        ("functions.rollout.percent", 101, "dcoder:functions.rollout.percent"),
        ("objects.replicas", 3, "erasure coding needs four"),
        ("cluster.pullByTag", True, "`cluster.pullByTag` is for the environment dev alone"),
        ("cluster.issuer", {"kind": "acme"}, "`acme` needs `email` and `solver`"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_said(path: str, value: Any, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(replaced(stack(), path, value))
    assert says in str(caught.value)


def test_every_fault_is_told_at_once_and_no_secret_with_them() -> None:
    given = replaced(replaced(stack(), "postgres.instances", "many"), "secrets.values.strange", "hush-hush")
    given["secrets"]["generation"] = {"redis": "two"}
    with pytest.raises(ConfigurationError) as caught:
        parse(given)
    message = str(caught.value)
    assert "dcoder:postgres.instances" in message
    assert "dcoder:secrets.generation.redis" in message
    assert "hush-hush" not in message
    assert ROOT_SECRET not in message


def test_values_come_as_pulumi_keeps_them() -> None:
    kept = {f"dcoder:{name}": v if isinstance(v, str) else json.dumps(v) for name, v in stack().items()}
    assert load({**kept, "kubernetes:clusterIdentifier": "x"}) == parse(stack())
    with pytest.raises(ConfigurationError, match=r"dcoder:cluster: .*\n.*The cluster"):
        load({**kept, "dcoder:cluster": "{not json"})


def test_what_nobody_reads_is_an_error() -> None:
    kept = {f"dcoder:{name}": v if isinstance(v, str) else json.dumps(v) for name, v in stack().items()}
    with pytest.raises(ConfigurationError) as caught:
        load({**kept, "dcoder:postgress": '{"instances": 3}', "dcodr:release": "1.2.3", "dcoder:environment": "live"})
    message = str(caught.value)
    assert "dcoder:postgress: is not a setting" in message
    assert "dcodr:release: nobody reads it" in message
    assert "pulumi config rm 'dcodr:release'" in message
    assert "dcoder:environment" in message


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_stack_files_lack_nothing_but_secrets_and_digests(environment: str) -> None:
    document = yaml.safe_load((ROOT / f"Pulumi.{environment}.yaml").read_text())["config"]
    given = {name.removeprefix("dcoder:"): value for name, value in document.items()}
    assert given["environment"] == environment
    assert "secrets" not in given
    complete = stack()
    configuration = parse({**given, "secrets": complete["secrets"], "digests": complete["digests"]})
    assert configuration.environment == environment


def test_every_image_without_its_digest_is_named_with_the_command_that_finds_it() -> None:
    with pytest.raises(UnknownImage) as caught:
        render(Platform(parse(replaced(replaced(stack(), "digests.kong", None), "digests.gateway", None))))
    told = str(caught.value)
    assert [line.strip() for line in told.splitlines() if "is missing" in line] == [
        "dcoder:digests.gateway: is missing",
        "dcoder:digests.kong: is missing",
    ]
    assert '"$(crane digest docker.io/library/kong:' in told
    assert "pulumi config set --path 'dcoder:digests.gateway' \"$(crane digest registry." in told


def test_passwords_follow_from_root_name_and_generation() -> None:
    first = SecretValues(parse(stack()).secrets)
    assert first["redisPlatform"] == first["redisPlatform"]
    assert first["redisPlatform"] != first["redisQueue"]
    rotated = SecretValues(parse(replaced(stack(), "secrets.generation", {"redisPlatform": 2})).secrets)
    assert rotated["redisPlatform"] != first["redisPlatform"]
    assert rotated["redisQueue"] == first["redisQueue"]
    with pytest.raises(MissingSecret, match=r"secrets\.values\.kongLicence"):
        first["kongLicence"]
