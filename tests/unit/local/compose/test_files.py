"""The Compose files: whole, segmented, and out of the catalogue."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from functions.kit.catalogue import Catalogue, load_catalogue
from local.compose import render, secrets
from local.compose.observability import observability_services
from local.compose.service import HEALTHY, Service, Size, with_secrets
from local.embedded.host import containers
from stateful.objects.access import of_functions
from stateful.objects.declaration import load_buckets

# What the requirements name, by the port where people find it.
PUBLIC = {
    8000: "kong",
    8443: "kong",
    3000: "doc-chat",
    3001: "code-chat",
    3004: "logto",
    8081: "agenta",
    8086: "grafana",
}
ON_LOOPBACK = {
    5432: "postgres",
    6379: "redis",
    9000: "minio",
    9001: "minio",
    7233: "temporal",
    4222: "nats",
    8082: "platform",
    8083: "agents",
    8084: "knowledge",
    8085: "integrations",
}
_VARIABLE = re.compile(r"\$\{[A-Z_]+(?::-([^}]*))?\}")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return render.compose_file(load_catalogue())


@pytest.fixture(scope="module")
def overrides() -> dict[str, Any]:
    return render.development_file(load_catalogue())


def plain(text: str) -> str:
    return _VARIABLE.sub(lambda match: match[1] or "", text)


def published(services: dict[str, Any]) -> dict[int, tuple[str, str]]:
    ports: dict[int, tuple[str, str]] = {}
    for name, service in services.items():
        for port in service.get("ports", ()):
            address, outside, _ = plain(port).rsplit(":", 2)
            assert int(outside) not in ports, f"{name} and {ports[int(outside)]} want port {outside}"
            ports[int(outside)] = name, address
    return ports


def test_what_people_open_is_on_its_port(document: dict[str, Any]) -> None:
    ports = published(document["services"])
    assert {port: ports[port][0] for port in PUBLIC} == PUBLIC
    assert {address for _, address in ports.values()} == {"127.0.0.1"}, "open to this machine alone, by default"


def test_everything_else_is_published_for_development_alone(
    document: dict[str, Any], overrides: dict[str, Any]
) -> None:
    ports = published(overrides["services"])
    assert {port: ports[port][0] for port in ON_LOOPBACK} == ON_LOOPBACK
    assert not ports.keys() & published(document["services"]).keys()
    assert {address for _, address in ports.values()} == {"127.0.0.1"}


def test_every_function_is_found_by_its_name_in_one_container(document: dict[str, Any]) -> None:
    found: dict[str, str] = {}
    for name, service in document["services"].items():
        for answer in (name, *((service["networks"].get("app") or {}).get("aliases", ()))):
            assert answer not in found, f"{answer} is two containers"
            found[answer] = name
    hosted = {f.name: name for name, functions in containers(load_catalogue()).items() for f in functions}
    assert {name: found[name] for name in hosted} == hosted


def test_a_new_function_needs_its_folder_alone(tmp_path: Path) -> None:
    def manifest(context: str, name: str, **notes: str) -> None:
        folder = tmp_path / context / name
        folder.mkdir(parents=True)
        annotations = {f"dcoder.dev/{key}": value for key, value in notes.items()}
        described = {"name": f"{context}-{name}", "runtime": "python", "deploy": {"annotations": annotations}}
        (folder / "func.yaml").write_text(yaml.safe_dump(described))

    manifest("platform", "tenants", kind="http", routes="GET /v1/tenants")
    manifest("agents", "executions", kind="http", routes="GET /v1/agents/executions")
    services = render.compose_file(load_catalogue(tmp_path))["services"]
    assert services["agents"]["image"].endswith("/agents:${DCODER_TAG:-local}")
    assert services["agents"]["build"]["args"]["CONTEXT"] == "agents"
    assert services["agents"]["networks"]["app"]["aliases"] == ["agents-executions"]
    assert "egress" in services["agents"]["networks"]


def test_networks_let_nobody_past_the_edge(document: dict[str, Any]) -> None:
    closed = {name for name, network in document["networks"].items() if (network or {}).get("internal")}
    assert closed == {"app", "data", "llmops", "telemetry", "kong-data", "kong-admin"}
    services = document["services"]
    members = {name: set(service["networks"]) for name, service in services.items()}
    for store in ("postgres", "redis", "redis-queue", "nats", "pgbouncer"):
        assert members[store] == {"data"}, store
    assert {name for name, of in members.items() if "kong-admin" in of} == {
        "kong",
        "kong-routes",
        "kong-sync",
        "platform-events",
    }
    for name, of in members.items():
        assert bool(services[name].get("ports")) <= ("edge" in of), f"{name} publishes nothing from closed networks"
    # Detection of injections and personal data has no business outside.
    assert not members["guardrails"] & {"edge", "egress"}


def test_every_service_is_watched_limited_and_restrained(document: dict[str, Any]) -> None:
    for service in render.services(load_catalogue()):
        written = document["services"][service.name]
        resources = written["deploy"]["resources"]
        assert int(resources["limits"]["memory"][:-1]) >= int(resources["reservations"]["memory"][:-1]), service.name
        assert ("healthcheck" in written) == bool(service.health)
        assert service.health or service.job or service.unchecked
        assert written["security_opt"] == ["no-new-privileges:true"]
        if service.ours:
            assert (written["read_only"], written["cap_drop"]) == (True, ["ALL"])


def test_no_secret_is_a_variable(document: dict[str, Any], overrides: dict[str, Any]) -> None:
    assert set(document["secrets"]) <= set(secrets.names())
    telling = re.compile(r"(PASSWORD|SECRET|KEY|SALT|_PWD)$")
    for name, service in {**document["services"], **overrides["services"]}.items():
        for variable, value in service.get("environment", {}).items():
            if telling.search(variable) and not variable.endswith("S3_ACCESS_KEY"):
                # Keys of accounts that only a running server can make are the owner's to fill in.
                is_file = value.startswith("/run/secrets/")
                assert is_file or not plain(value), f"{name} has {variable} in its environment"


def test_who_starts_before_whom_has_an_end(document: dict[str, Any]) -> None:
    waits = {name: set(service.get("depends_on", ())) for name, service in document["services"].items()}
    while ready := {name for name, others in waits.items() if not others}:
        waits = {name: others - ready for name, others in waits.items() if name not in ready}
    assert not waits


def test_the_template_names_what_the_files_ask_for(document: dict[str, Any], overrides: dict[str, Any]) -> None:
    asked = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", yaml.safe_dump([document, overrides])))
    offered = set(re.findall(r"^([A-Z_]+)=", render.template(), re.MULTILINE)) - {"COMPOSE_PROJECT_NAME"}
    assert offered <= asked, "the template offers what nothing reads"
    optional = {name for name in asked - offered if not name.endswith(("_URL", "_EMAIL", "_HOSTS", "_DOMAIN", "_LOGS"))}
    assert not optional


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"after": {"nobody": HEALTHY}}, "waits for 'nobody'"),
        ({"after": {"tempo": HEALTHY}}, "nothing tells that"),
        ({"after": {"migrate": HEALTHY}}, "nothing tells that"),
        ({"after": {"kong": "service_completed_successfully"}}, "does not fit"),
        ({"health": None}, "no health check"),
        ({"secrets": ("made_up",)}, "secrets that nobody makes"),
        ({"aliases": {"app": ("redis",)}}, "another service"),
        ({"name": "kong"}, "two services 'kong'"),
    ],
)
def test_services_that_do_not_fit_are_refused(
    change: dict[str, Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"name": "extra", "image": "x", "networks": ("app",), "size": Size(64, 32), "health": ("CMD", "true")}
    extra = Service(**{**fields, **change})
    known = tuple(observability_services())
    monkeypatch.setattr("local.compose.render.observability_services", lambda: (*known, extra))
    with pytest.raises(render.ComposeError, match=reason):
        render.services(load_catalogue())


def test_secrets_reach_programs_that_want_variables(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("a'b\"c d")
    *shell, script = with_secrets({"URL": "x://u:{word}@h/d", "WORD": "word"}, 'printf "%s|%s" "$URL" "$WORD"')
    script = script.replace("$$", "$").replace("/run/secrets", str(tmp_path))
    done = subprocess.run([*shell, script], capture_output=True, text=True, check=True)
    assert done.stdout == "x://u:a'b\"c d@h/d|a'b\"c d"


@pytest.mark.parametrize("development", [False, True])
def test_compose_reads_the_files(development: bool, tmp_path: Path) -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed")
    for name in ("docker-compose.yml", "docker-compose.dev.yml"):
        (tmp_path / name).write_text((render.FOLDER / name).read_text())
    (tmp_path / ".env").write_text((render.FOLDER / "env.template").read_text())
    secrets.make_secrets(tmp_path / "secrets")
    files = ["-f", "docker-compose.yml", *(["-f", "docker-compose.dev.yml"] if development else [])]
    done = subprocess.run([program, *files, "config"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(done.stdout)["services"]
    assert read.keys() >= {"kong", "platform", "platform-events", "postgres"}
    assert read["kong"]["image"].startswith("docker.io/library/kong:3.9")
    assert "$" not in read["redis"]["image"]


def test_a_catalogue_that_is_wrong_is_named(tmp_path: Path) -> None:
    assert render.compose_file(Catalogue(()))["services"].keys() >= {"kong", "postgres"}


def test_functions_may_use_every_bucket_that_is_theirs() -> None:
    script = (render.FOLDER / "config" / "minio" / "users.sh").read_text()
    assert 'allow "$(cat /run/secrets/dcoder_s3_access_key)" dcoder_s3_secret_key /scripts/functions.json' in script
    written = json.loads((render.FOLDER / "config" / "minio" / "functions.json").read_text())
    assert written == of_functions(load_buckets())


def test_the_one_that_looks_after_backups_may_read_their_names(document: dict[str, Any]) -> None:
    services = document["services"]
    lookers = [name for name, service in services.items() if "DCODER_BACKUPS" in service.get("environment", {})]
    assert lookers == ["platform-events"]
    assert services["platform-events"]["environment"]["DCODER_BACKUPS"] == "/archive/base"
    assert "postgres-archive:/archive:ro" in services["platform-events"]["volumes"]
