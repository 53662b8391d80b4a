"""The programs of the test cluster, built once from their Go modules and kept outside the checkout.

`python -m local.cluster.toolchain` builds what is missing: at idle priority, one package at a time, so the machine
stays usable. The first time takes an hour or two of an idle core and 8 GB; then nothing.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from local.paths import PROJECT

KUBERNETES = "v1.36.3"
PULUMI = "v3.274.1"
# The last module that has the program which runs Python for the command line; later ones are published as none.
LANGUAGE = "v3.57.1"
# The newest module of the provider that Go's proxy serves; its SDK, which it takes from a folder beside it.
PROVIDER_MODULE = "v4.0.0-20260115033456-f47bc2d6f199"
PROVIDER_SDK = "v4.24.0"
HELM = "v3.22.0"
_KUBERNETES_MODULE = "k8s.io/kubernetes"
_CLI_MODULE = "github.com/pulumi/pulumi/pkg/v3"
_SDK_MODULE = "github.com/pulumi/pulumi/sdk/v3"
_PROVIDER_MODULE = "github.com/pulumi/pulumi-kubernetes/provider/v4"
_PROVIDER_SDK_MODULE = "github.com/pulumi/pulumi-kubernetes/sdk/v4"
_HELM_MODULE = "helm.sh/helm/v3"
_LEAST_GO = (1, 26, 6)
_SECONDS = 3 * 3600.0
# The greatest package of the provider's SDK needs several gigabytes to compile.
_MEMORY = "6GiB"

LANGUAGE_SCRIPT = "python/cmd/pulumi-language-python-exec"
PACK_REQUIREMENTS = PROJECT / "iac" / "policies" / "pack" / "requirements.txt"
CLUSTER = ("kube-apiserver", "kube-controller-manager")
PULUMI_PROGRAMS = ("pulumi", "pulumi-language-python", "pulumi-resource-kubernetes")


class ToolchainError(Exception):
    """A program cannot be built; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program and the module that it is built in.

    Attributes:
        package: what is built: a package's path, or `.` for the module's own.
        release: part of the folder that it is kept in.
        requires: modules and their versions.
        variables: of the program's packages, set when it is linked: what release it says it is.
        replaces: from the first module's own go.mod to what is taken in place of what; Go ignores that file's own
            word in a module that is required.
        prepare: puts files into the module's folder, out of the first module's.
        script: of the first module, a file that the program looks for beside itself.
    """

    name: str
    package: str
    release: str
    requires: Mapping[str, str]
    variables: Mapping[str, str]
    replaces: Callable[[str], Mapping[str, str]] = lambda _: {}
    prepare: Callable[[Path, Path], None] = lambda *_: None
    script: str = ""

    @property
    def linking(self) -> str:
        """Flags of the linker."""
        return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in self.variables.items())])

    @property
    def target(self) -> Path:
        """Where it is once it is built."""
        flags = hashlib.sha256(self.linking.encode()).hexdigest()[:8]
        return cache() / "bin" / f"{self.release}-{flags}" / self.name


def programs() -> Iterator[Program]:
    """All of them, the quick ones first."""
    said = {"gitVersion": KUBERNETES, "gitMajor": "1", "gitMinor": KUBERNETES.split(".")[1]}
    for name in CLUSTER:
        yield Program(
            name,
            f"{_KUBERNETES_MODULE}/cmd/{name}",
            KUBERNETES,
            {_KUBERNETES_MODULE: KUBERNETES},
            {f"k8s.io/component-base/version.{key}": value for key, value in said.items()},
            replaces=_libraries,
        )
    yield Program(
        "pulumi",
        f"{_CLI_MODULE}/cmd/pulumi",
        PULUMI,
        {_CLI_MODULE: PULUMI, _SDK_MODULE: PULUMI},
        {f"{_SDK_MODULE}/go/common/version.Version": PULUMI},
        replaces=_forks,
    )
    yield Program(
        "pulumi-language-python",
        f"{_SDK_MODULE}/python/cmd/pulumi-language-python",
        LANGUAGE,
        {_SDK_MODULE: LANGUAGE},
        {f"{_SDK_MODULE}/go/common/version.Version": LANGUAGE},
        script=LANGUAGE_SCRIPT,
    )
    yield Program(
        "pulumi-resource-kubernetes",
        ".",
        PROVIDER_MODULE,
        {_PROVIDER_MODULE: PROVIDER_MODULE, _PROVIDER_SDK_MODULE: PROVIDER_SDK},
        # It calls itself by the release that the Python package is of, which is what the engine asks for.
        {f"{_PROVIDER_MODULE}/pkg/version.Version": provider_release()},
        prepare=partial(_schema, release=provider_release()),
    )


def helm(say: Callable[[str], None]) -> Path:
    """Helm: the one that is installed, or one that is built the first time. No other program here needs it.

    Raises:
        ToolchainError: it cannot be built.
    """
    if found := shutil.which("helm"):
        return Path(found)
    program = Program(
        "helm",
        f"{_HELM_MODULE}/cmd/helm",
        HELM,
        {_HELM_MODULE: HELM},
        {f"{_HELM_MODULE}/internal/version.version": HELM},
    )
    _build_missing([program], say)
    return program.target


def provider_release() -> str:
    """The release of the provider that the program in `iac/` asks for."""
    return version("pulumi-kubernetes")


def cache() -> Path:
    """Where programs are kept: `DCODER_CLUSTER_CACHE`, or below the user's cache."""
    named = os.environ.get("DCODER_CLUSTER_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dcoder-cluster"


def binary(name: str) -> Path:
    """Where a program is once it is built."""
    return next(program.target for program in programs() if program.name == name)


def missing() -> list[str]:
    """Programs that are not built yet."""
    return [program.name for program in programs() if not program.target.exists()]


def pack_python() -> Path:
    """The Python of the policy pack's environment, which is made of its requirements.

    Raises:
        ToolchainError: a package cannot be installed.
    """
    digest = hashlib.sha256(PACK_REQUIREMENTS.read_bytes()).hexdigest()[:8]
    folder = cache() / f"pack-{digest}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        for command in (
            [sys.executable, "-m", "venv", str(part)],
            [str(part / "bin" / "pip"), "install", "--quiet", "-r", str(PACK_REQUIREMENTS)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
            if done.returncode:
                raise ToolchainError(f"the policy pack's environment: {done.stderr[-500:]}")
        part.rename(folder)
    return folder / "bin" / "python"


def build(say: Callable[[str], None]) -> None:
    """Build what is missing.

    Raises:
        ToolchainError: Go is missing or too old, or a build failed.
    """
    _build_missing(programs(), say)


def _build_missing(wanted: Iterable[Program], say: Callable[[str], None]) -> None:
    lacking = [program for program in wanted if not program.target.exists()]
    if lacking:
        _check_go()
    for program in lacking:
        say(f"building {program.name} {program.release} …")
        _build(program)
        say(f"built {program.target}")


def _build(program: Program) -> None:
    module = cache() / "modules" / program.name
    shutil.rmtree(module, ignore_errors=True)
    module.mkdir(parents=True)
    head = f"module dcoder.invalid/{program.name}\n\ngo {'.'.join(map(str, _LEAST_GO))}\n"
    (module / "go.mod").write_text(head)
    first = next(iter(program.requires))
    told = json.loads(go(module, "mod", "download", "-json", f"{first}@{program.requires[first]}"))
    lines = [f"require {name} {number}" for name, number in program.requires.items()]
    lines += [f"replace {name} => {other}" for name, other in program.replaces(Path(told["GoMod"]).read_text()).items()]
    (module / "go.mod").write_text("\n".join([head, *lines, ""]))
    program.prepare(module, Path(told["Dir"]))
    program.target.parent.mkdir(parents=True, exist_ok=True)
    part = program.target.with_suffix(".part")
    go(module, "build", "-p", "1", "-trimpath", "-ldflags", program.linking, "-o", str(part), program.package)
    if program.script:
        source = Path(told["Dir"]) / program.script
        shutil.copyfile(source, program.target.with_name(source.name))
        program.target.with_name(source.name).chmod(0o755)
    part.replace(program.target)


def go(folder: Path, *arguments: str) -> str:
    """Run Go in a module's folder, politely; what it printed.

    Raises:
        ToolchainError: it failed, took too long, or is not there.
    """
    if shutil.which("go") is None:
        raise ToolchainError("Go is not installed, and the test cluster is built from Go modules")
    flags = {"GOFLAGS": "-mod=mod -buildvcs=false", "GOMAXPROCS": "1", "GOWORK": "off", "GOMEMLIMIT": _MEMORY}
    # Even niceness 19 takes turns with what people wait for; this waits until a core has nothing else to do.
    idle = ("chrt", "--idle", "0") if shutil.which("chrt") else ()
    try:
        done = subprocess.run(
            [*idle, "nice", "-n", "19", "go", *arguments],
            cwd=folder,
            env={**os.environ, **flags},
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(f"go {arguments[0]} took longer than {_SECONDS / 3600:.0f} hours") from error
    if done.returncode:
        raise ToolchainError(f"go {' '.join(arguments[:2])}: {' '.join(done.stderr.split()[-80:])}")
    return done.stdout


def _check_go() -> None:
    said = go(Path.home(), "version")
    found = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", said)
    if found is None or tuple(int(part or 0) for part in found.groups()) < _LEAST_GO:
        raise ToolchainError(f"Go {'.'.join(map(str, _LEAST_GO))} or newer is needed, this is {said.strip()}")


def _libraries(module_file: str) -> Mapping[str, str]:
    """Kubernetes takes its libraries from folders beside it; published, they are modules of the same release."""
    names = re.findall(r"^\s*(k8s\.io/\S+) => \./staging", module_file, re.MULTILINE)
    return {name: f"{name} v0{KUBERNETES.removeprefix('v1')}" for name in names}


def _forks(module_file: str) -> Mapping[str, str]:
    """What a module takes from somebody else's copy; folders beside it are required instead."""
    found = re.findall(r"^\s*(?:replace )?(\S+) => (\S+) (v\S+)$", module_file, re.MULTILINE)
    return {name: f"{other} {number}" for name, other, number in found}


def _schema(module: Path, source: Path, *, release: str) -> None:
    """The provider's program embeds its schema with its release in it; in its repository a generator writes both."""
    program = source / "cmd" / "pulumi-resource-kubernetes"
    shutil.copyfile(program / "main.go", module / "main.go")
    schema = json.loads((program / "schema.json").read_text())
    (module / "schema-embed.json").write_text(json.dumps({**schema, "version": release}))
    shutil.copyfile(program / "terraform-mapping.json", module / "terraform-mapping-embed.json")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Command line."""
    try:
        build(_say)
    except ToolchainError as error:
        sys.stderr.write(f"cluster: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
