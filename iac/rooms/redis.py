"""Redis: three servers, for what the platform counts and caches, for queues, and for the edge's counters."""

import re
from collections.abc import Iterator

from iac.configuration.base import resources
from iac.configuration.stateful import RedisInstance
from iac.manifests import Manifest, config_map, name_of, secret
from iac.stack import DATA, Platform
from iac.workloads import Container, Workload, claim, exec_probe, tcp_probe

ROOM = "redis"
PORT = 6379
_USER = 999
_EXPORTER = resources(("10m", "32Mi"), ("100m", "64Mi"))
_UNITS = {"Mi": 1, "Gi": 1024}
# Secrets by the instance's name.
PASSWORDS = {"platform": "redisPlatform", "queue": "redisQueue", "edge": "redisEdge"}


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room."""
    for name in PASSWORDS:
        yield from _instance(name, getattr(platform.configuration.redis, name), platform)


def _instance(name: str, instance: RedisInstance, platform: Platform) -> Iterator[Manifest]:
    full = f"redis-{name}"
    yield secret(full, DATA, {"password": f"{{{{ {PASSWORDS[name]} }}}}"}, room=ROOM)
    settings = config_map(f"{full}-settings", DATA, {"redis.conf": settings_of(instance)}, room=ROOM)
    yield settings
    memory = int(instance.memory[:-2]) * _UNITS[instance.memory[-2:]]
    secrets = {"REDISCLI_AUTH": (full, "password")}
    server = Container(
        name="redis",
        image=platform.image("redis"),
        # The password stays out of the settings, which everybody may read.
        command=("sh", "-c", 'exec redis-server /etc/redis/redis.conf --requirepass "$REDISCLI_AUTH"'),
        resources=resources(("250m", f"{memory}Mi"), ("2", f"{memory * 3 // 2}Mi")),
        ports={"redis": PORT},
        secrets=secrets,
        live=tcp_probe(PORT, seconds=15, failures=4),
        ready=exec_probe("sh", "-c", "redis-cli ping | grep -q PONG", seconds=5),
        # After a crash the append-only file is read before anything is answered.
        startup=exec_probe("sh", "-c", "redis-cli ping | grep -q PONG", seconds=2, failures=150),
        mounts={"/etc/redis": "settings", "/data": "data"},
    )
    exporter = Container(
        name="exporter",
        image=platform.image("redis-exporter"),
        resources=_EXPORTER,
        ports={"metrics": 9121},
        env={"REDIS_ADDR": f"redis://127.0.0.1:{PORT}"},
        secrets={"REDIS_PASSWORD": (full, "password")},
        live=tcp_probe(9121, seconds=30),
        ready=tcp_probe(9121),
        writable=(),
    )
    workload = Workload(
        name=full,
        namespace=DATA,
        room=ROOM,
        containers=(server, exporter),
        replicas=1,
        user=_USER,
        group=_USER,
        volumes=({"name": "settings", "configMap": {"name": name_of(settings)}},),
        service={"redis": (PORT, "redis")},
        metrics=("metrics", "/metrics"),
        # Time to write what is in memory.
        grace_seconds=60,
    )
    yield from workload.stateful_set(
        [claim("data", instance.storage.size, platform.storage_class(instance.storage.storage_class))]
    )


def settings_of(instance: RedisInstance) -> str:
    """The server's settings file."""
    memory = re.sub(r"i$", "b", instance.memory.lower())
    lines = [
        f"port {PORT}",
        "dir /data",
        "protected-mode no",
        f"maxmemory {memory}",
        f"maxmemory-policy {instance.eviction}",
        "timeout 0",
        "tcp-keepalive 60",
        # What was counted of a busy minute is a hash of a hundred thousand fields: nobody waits for its end.
        "lazyfree-lazy-expire yes",
    ]
    if instance.persistence:
        lines += ["appendonly yes", "appendfsync everysec", "aof-use-rdb-preamble yes"]
        # Rewriting the file and taking a snapshot stop the server for a fork and for what it writes while all wait,
        # tens of milliseconds each time. A file of this size is read in about three seconds.
        lines += ["auto-aof-rewrite-min-size 256mb", "save 900 1 300 100"]
    else:
        lines += ["appendonly no", 'save ""']
    return "\n".join(lines) + "\n"
