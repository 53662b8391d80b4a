"""The written pages: links lead somewhere, decisions have numbers of their own, commands exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("*/**/*.md"))
    if not {".venv", "node_modules", ".dcoder", ".peers"} & set(path.parts)
)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_MAKE = re.compile(r"`make ([a-z][a-z-]*)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in _LINK.findall(text):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), target
    assert not re.search(r"^(<{7}|>{7}|={7}$)", text, re.MULTILINE), "a merge was left unfinished"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(_MAKE.findall(page.read_text())) <= targets


def test_decisions_have_numbers_of_their_own() -> None:
    pages = [path for path in PAGES if path.parent.name == "adr" and "template" not in path.name]
    numbers = [path.name[:4] for path in pages]
    assert len(numbers) == len(set(numbers)), sorted(number for number in numbers if numbers.count(number) > 1)
    for path in pages:
        assert path.read_text().startswith(f"# {path.name[:4]}: "), path.name
