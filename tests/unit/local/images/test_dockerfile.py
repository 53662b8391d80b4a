"""What is demanded of every Dockerfile here, as hadolint and image scanners do: read, not built."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local.paths import PROJECT

_FILES = sorted(path for path in PROJECT.glob("**/Dockerfile*") if not {".venv", "node_modules"} & set(path.parts))
_LABELS = {"title", "description", "licenses", "revision"}
# What makes programs, or fetches them: none of it has a place where functions run.
_MAKERS = re.compile(r"\b(gcc|g\+\+|clang|make|build-essential|apt-get|apk|dnf|pip|uv|npm|curl|wget)\b")


@dataclass
class Stage:
    """One stage: its base, and its instructions in order."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def of(self, kind: str) -> list[str]:
        return [text for name, text in self.instructions if name == kind]


def read(text: str) -> tuple[dict[str, str], list[Stage]]:
    """The arguments that bases are named by, and the stages."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        kind, _, rest = line.strip().partition(" ")
        if kind == "FROM":
            stages.append(Stage(rest.split()[0]))
        elif stages:
            stages[-1].instructions.append((kind, rest.strip()))
        elif kind == "ARG":
            name, _, default = rest.partition("=")
            arguments[name] = default
    return arguments, stages


def faults(text: str) -> list[str]:
    """What is wrong with a Dockerfile."""
    arguments, stages = read(text)
    bases = [re.sub(r"^\$\{(\w+)\}$", lambda match: arguments.get(match[1], ""), stage.base) for stage in stages]
    found = [
        f"the base {base} is not pinned" for base in bases if not re.search(r"(:(?!latest)[\w.-]+|@sha256:\w+)$", base)
    ]
    last = stages[-1]
    user = last.of("USER")
    if not user or not re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user[-1]):
        found.append("what runs is not a numbered user without rights")
    kinds = [kind for kind, _ in last.instructions]
    if "USER" in kinds and {"RUN", "COPY", "ADD"} & set(kinds[kinds.index("USER") :]):
        found.append("files are written as the user that runs")
    found += [f"the last stage runs {match[0]}" for run in last.of("RUN") if (match := _MAKERS.search(run))]
    found += [f"{stage.base}: ADD fetches or unpacks; COPY does not" for stage in stages if stage.of("ADD")]
    said = " ".join(last.of("LABEL"))
    found += [f"no label {name}" for name in sorted(_LABELS) if f"org.opencontainers.image.{name}=" not in said]
    if not last.of("ENTRYPOINT") or not all(text.startswith("[") for text in last.of("ENTRYPOINT") + last.of("CMD")):
        found.append("a shell stands between signals and what runs")
    if re.search(r"(?i)(password|secret|token|api_key)\s*=", " ".join(last.of("ENV") + last.of("ARG"))):
        found.append("a secret is baked in")
    return found


@pytest.mark.parametrize("path", _FILES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_ours_have_no_fault(path: Path) -> None:
    assert faults(path.read_text()) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("python:3.11-slim-bookworm", "python:latest", "is not pinned"),
        ("python:3.11-slim-bookworm", "python", "is not pinned"),
        ("USER 10001:10001", "USER root", "without rights"),
        ("USER 10001:10001\n", "", "without rights"),
        ("EXPOSE 8080", "RUN apt-get install gcc", "runs apt-get"),
        ("EXPOSE 8080", "COPY . /app", "as the user that runs"),
        ("COPY functions/ /app/functions/", "ADD https://example.com/x /app", "ADD fetches"),
        ('org.opencontainers.image.licenses="Apache-2.0"', "", "no label licenses"),
        ('CMD ["functions.kit.serve"]', "CMD functions.kit.serve", "a shell stands"),
        ("PORT=8080", "API_KEY=hush", "a secret is baked in"),
    ],
)
def test_a_fault_is_found(old: str, new: str, fault: str) -> None:
    text = (PROJECT / "Dockerfile").read_text()
    assert old in text
    assert any(fault in one for one in faults(text.replace(old, new)))
