"""Postgres, Redis and NATS as containers instead of packages: `DCODER_TEST_STACK=containers`."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def container_servers() -> Iterator[dict[str, str]]:
    """Start the servers in containers.

    Yields:
        their addresses as the `DCODER_USE_…` variables that `dcoder up` takes.
    """
    from testcontainers.nats import NatsContainer
    from testcontainers.postgres import PostgresContainer
    from testcontainers.redis import RedisContainer

    with (
        PostgresContainer("pgvector/pgvector:pg18", username="postgres", password="postgres", driver=None) as postgres,
        RedisContainer("redis:8") as redis,
        NatsContainer("nats:2.12", jetstream=True) as nats,
    ):
        yield {
            "DCODER_USE_POSTGRES": postgres.get_connection_url(),
            "DCODER_USE_REDIS": f"redis://{redis.get_container_host_ip()}:{redis.get_exposed_port(6379)}/0",
            "DCODER_USE_NATS": nats.nats_uri(),
        }


def docker_answers() -> bool:
    """Whether a Docker engine can be reached."""
    import docker

    try:
        docker.from_env(timeout=2).ping()
    except docker.errors.DockerException:
        return False
    return True
