"""Kong with a database of its own, told of its routes by a job, and of its tenants by the platform."""

from collections.abc import Iterator

from kong.environment import kong_environment
from kong.policy import load_policy
from local.compose.functions import FUNCTION_URL
from local.compose.images import image, own
from local.compose.service import DONE, HEALTHY, Port, Service, Size, shell, with_secrets

# The Admin API asks for no password in the free edition, so it listens on this address alone, in a network of its own.
ADMIN_SUBNET = "172.30.255.0/28"
ADMIN_ADDRESS = "172.30.255.2"
EDITION = "${KONG_EDITION:-free}"


def edge_services() -> Iterator[Service]:
    """The edge."""
    postgres = {"KONG_DATABASE": "postgres", "KONG_PG_HOST": "kong-postgres", "KONG_PG_USER": "kong"}
    yield Service(
        name="kong-postgres",
        image=image("postgres"),
        environment={
            "POSTGRES_USER": "kong",
            "POSTGRES_DB": "kong",
            "POSTGRES_PASSWORD_FILE": "/run/secrets/kong_postgres_password",
        },
        secrets=("kong_postgres_password",),
        volumes=("kong-postgres:/var/lib/postgresql",),
        networks=("kong-data",),
        health=("CMD", "pg_isready", "-U", "kong", "-d", "kong"),
        size=Size(512, 128),
        grace_seconds=60,
    )
    yield Service(
        name="kong-migrate",
        image=image("kong"),
        entrypoint=with_secrets(
            {"KONG_PG_PASSWORD": "kong_postgres_password"},
            "sh -c 'kong migrations bootstrap && kong migrations up && kong migrations finish'",
        ),
        environment=postgres,
        secrets=("kong_postgres_password",),
        networks=("kong-data",),
        after={"kong-postgres": HEALTHY},
        size=Size(512, 64),
        job=True,
    )
    yield Service(
        name="kong",
        image=image("kong"),
        entrypoint=with_secrets(
            {"KONG_PG_PASSWORD": "kong_postgres_password", "DCODER_REDIS_PASSWORD": "redis_password"},
            "sh -c 'rm -f /usr/local/kong/pids/nginx.pid /usr/local/kong/sockets/*; exec kong start'",
        ),
        environment={
            **postgres,
            **kong_environment(load_policy()),
            "KONG_NGINX_DAEMON": "off",
            "KONG_ADMIN_LISTEN": f"{ADMIN_ADDRESS}:8001",
            "KONG_LICENSE_DATA": "${KONG_LICENSE_DATA:-}",
        },
        secrets=("kong_postgres_password", "redis_password", "edge_tls_certificate", "edge_tls_key"),
        networks=("edge", "app", "data", "telemetry", "kong-data", "kong-admin"),
        addresses={"kong-admin": ADMIN_ADDRESS},
        aliases={"kong-admin": ("kong-admin",)},
        after={"kong-migrate": DONE, "redis": HEALTHY},
        health=("CMD", "kong", "health"),
        ports=(Port(8000, 8000, public=True), Port(8443, 8443, public=True)),
        size=Size(1024, 256, 2.0),
        grace_seconds=30,
    )
    yield Service(
        name="kong-routes",
        image=own("platform"),
        entrypoint=shell(
            'python -P -m kong.render --edition "$KONG_EDITION" --redis-host redis '
            f"--function-url '{FUNCTION_URL}' > /routes/kong.yml"
        ),
        environment={"KONG_EDITION": EDITION},
        volumes=("kong-routes:/routes",),
        networks=("kong-admin",),
        size=Size(256, 64),
        job=True,
        ours=True,
        user="0:0",
    )
    yield Service(
        name="kong-sync",
        image=image("deck"),
        command=(
            "gateway",
            "sync",
            "/routes/kong.yml",
            "--kong-addr",
            "http://kong-admin:8001",
            "--select-tag",
            "dcoder",
        ),
        volumes=("kong-routes:/routes:ro",),
        networks=("kong-admin",),
        after={"kong": HEALTHY, "kong-routes": DONE},
        size=Size(256, 64),
        job=True,
    )
