import re
from pathlib import Path

import pytest

from functions.kit.catalogue import Catalogue
from kong.errors import EDGE_ERRORS
from kong.policy import load_policy
from local.embedded.edge import render

UPSTREAMS = {"api": "http://127.0.0.1:8102", "llm": "http://127.0.0.1:8101"}


def rendered(folder: Path, catalogue: Catalogue) -> str:
    return render(folder, http_port=8000, https_port=8443, upstreams=UPSTREAMS, catalogue=catalogue).read_text()


def test_folder_has_all_that_nginx_needs(tmp_path: Path, catalogue: Catalogue) -> None:
    folder = tmp_path / "edge"
    rendered(folder, catalogue)
    assert {path.name for path in folder.iterdir()} == {"nginx.conf", "edge.js", "policy.js", "tenants.json", "tmp"}


def test_known_tenants_survive_a_new_rendering(tmp_path: Path, catalogue: Catalogue) -> None:
    rendered(tmp_path / "edge", catalogue)
    (tmp_path / "edge" / "tenants.json").write_text("kept")
    rendered(tmp_path / "edge", catalogue)
    assert (tmp_path / "edge" / "tenants.json").read_text() == "kept"


def test_nothing_is_left_to_fill_in(tmp_path: Path, catalogue: Catalogue) -> None:
    assert not re.findall(r"@\w+@", rendered(tmp_path / "edge", catalogue))


def test_listens_on_the_loopback_alone(tmp_path: Path, catalogue: Catalogue) -> None:
    listens = re.findall(r"listen (\S+?)[ ;]", rendered(tmp_path / "edge", catalogue))
    assert listens == ["127.0.0.1:8000", "127.0.0.1:8443"]


def test_every_error_has_a_page(tmp_path: Path, catalogue: Catalogue) -> None:
    text = rendered(tmp_path / "edge", catalogue)
    for error in EDGE_ERRORS:
        assert f"location = /_edge/{error.triggers[0]} {{" in text
        assert f'"code":"{error.code}"' in text


def test_credential_is_asked_where_the_route_is_not_public(tmp_path: Path, catalogue: Catalogue) -> None:
    text = rendered(tmp_path / "edge", catalogue)
    blocks = dict(re.findall(r"location = /_edge/to/(\S+) \{(.*?)\n        \}", text, re.DOTALL))
    guarded = {name for name, block in blocks.items() if "js_access edge.guard" in block}
    assert set(blocks) - guarded == {"integrations-hooks.public", "platform-sign-in.public"}


def test_every_rate_class_has_a_zone(tmp_path: Path, catalogue: Catalogue) -> None:
    text = rendered(tmp_path / "edge", catalogue)
    for name in load_policy().rate_classes:
        assert f"zone=rate_{name} burst=" in text


def test_trusted_proxies(tmp_path: Path, catalogue: Catalogue) -> None:
    policy = load_policy().model_copy(update={"trusted_proxies": ("10.0.0.0/8",)})
    path = render(tmp_path / "edge", http_port=1, https_port=2, upstreams=UPSTREAMS, catalogue=catalogue, policy=policy)
    assert "set_real_ip_from 10.0.0.0/8;" in path.read_text()
    assert "set_real_ip_from" not in rendered(tmp_path / "edge", catalogue)


@pytest.mark.parametrize(
    ("upstreams", "said"),
    [
        ({"api": "http://127.0.0.1:8102"}, "host group llm"),
        ({**UPSTREAMS, "llm": "https://127.0.0.1:1"}, "http://host:port"),
        ({**UPSTREAMS, "llm": "http://127.0.0.1"}, "http://host:port"),
        ({**UPSTREAMS, "llm; evil": "http://127.0.0.1:1"}, "not a name"),
    ],
)
def test_wrong_upstreams(tmp_path: Path, catalogue: Catalogue, upstreams: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        render(tmp_path / "edge", http_port=1, https_port=2, upstreams=upstreams, catalogue=catalogue)
