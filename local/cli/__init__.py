"""The `dcoder` command."""

import json
import signal
import subprocess
import sys
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from local.cli.errors import CommandError
from local.embedded.component import PreparationError
from local.paths import Home, HomeError

if TYPE_CHECKING:
    from local.embedded.stack import Stack

app = typer.Typer(
    name="dcoder",
    help="Runs the D.Coder LLM Platform on this machine: real servers as processes, no containers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# A pipe has no width: tables keep theirs.
_console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)


class TokenRole(StrEnum):
    """Roles that a token can carry."""

    SUPERADMIN = "superadmin"
    ADMIN = "admin"
    USER = "user"


def main() -> None:
    """Run the command line; what goes wrong is one line on standard error and status 1."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except (CommandError, HomeError, PreparationError) as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"dcoder: {error}", markup=False)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


@app.command()
def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once it is ready.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw away all state first.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds until it must be ready.")] = 90.0,
) -> None:
    """Start the platform and wait until it is ready. Safe to run twice."""
    from local.cli import lifecycle

    home, began = Home.locate(), time.monotonic()
    follower = lifecycle.Follower(home, _console.print)
    try:
        with _console.status("starting …") as status:
            lifecycle.start(home, fresh=fresh, say=_console.print)
            follower.until_ready(timeout, lambda names: status.update(f"waiting for {', '.join(names)} …"))
        _console.print(f"[bold green]ready[/] in {time.monotonic() - began:.1f} s")
        _say_addresses(home)
        while not detach:
            follower.look()
            time.sleep(0.5)
    except KeyboardInterrupt:
        _console.print("stopping …")
        lifecycle.stop(home, _console.print)
        raise typer.Exit(130) from None


@app.command()
def down() -> None:
    """Stop the platform; its state stays."""
    from local.cli import lifecycle

    with _console.status("stopping …"):
        stopped = lifecycle.stop(Home.locate(), _console.print)
    _console.print("stopped" if stopped else "not running")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show addresses, versions, health and credentials; ends with 0 only when the platform is ready."""
    from local.cli import report

    found = report.report(Home.locate())
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        report.show(found, _console)
    raise typer.Exit(0 if found["ready"] else 1)


@app.command()
def logs(
    component: Annotated[str | None, typer.Argument(help="Only this component's.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 20,
) -> None:
    """Show what components wrote."""
    from local.cli.logs import lines_of, log_files

    files = log_files(Home.locate(), component)
    width = max((len(name) for name in files), default=0)
    try:
        for name, line in lines_of(files, count=lines, follow=follow):
            prefix = "" if len(files) == 1 else f"{name:<{width}} │ "
            sys.stdout.write(f"{prefix}{line}\n")
            if follow:
                sys.stdout.flush()
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command()
def token(
    role: Annotated[TokenRole, typer.Option(help="What its bearer may do.")] = TokenRole.SUPERADMIN,
    tenant: Annotated[str | None, typer.Option(help="Id or slug of the tenant.")] = None,
    user: Annotated[str | None, typer.Option(help="Whose token it is.")] = None,
    ttl: Annotated[int | None, typer.Option(help="Life in seconds; 0 or less: it has expired.")] = None,
) -> None:
    """Print a bearer token from the local OpenID provider."""
    from local.cli.tokens import issue_token

    sys.stdout.write(issue_token(_running(), role.value, tenant=tenant, user=user, ttl=ttl) + "\n")


@app.command()
def account(
    email: Annotated[str, typer.Argument(help="Address to sign in with.")],
    tenant: Annotated[str, typer.Option(help="Id or slug of the tenant.")],
    role: Annotated[TokenRole, typer.Option(help="What the person may do there.")] = TokenRole.USER,
) -> None:
    """Let somebody sign in to the dashboards as a tenant's user; prints the password. Repeated, it makes a new one."""
    from local.cli.accounts import open_account

    stack = _running()
    password = open_account(stack, email, tenant, role.value)
    _console.print(f"sign in  {stack.addresses()['edge']}/v1/auth/login")
    _console.print(f"         {email.lower()}  {password}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def migrate(context: typer.Context) -> None:
    """Bring every database to the newest schema. Options go to `python -m stateful.postgres.migrate`."""
    migration = _running().program().migration()
    command = [*migration.command, *context.args]
    done = subprocess.run(command, env=dict(migration.environment), cwd=migration.folder, check=False)
    raise typer.Exit(done.returncode)


@app.command("rotate-keys", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def rotate_keys(context: typer.Context) -> None:
    """Rotate keys while the platform runs. Options go to `python -m stateful.postgres.rotate_keys`."""
    raise typer.Exit(_run("stateful.postgres.rotate_keys", context.args))


audit = typer.Typer(
    help="Checkpoints of the audit trail, and whether anybody has tampered with it.", no_args_is_help=True
)
app.add_typer(audit, name="audit")


@audit.command("checkpoint", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def audit_checkpoint(context: typer.Context) -> None:
    """Sign what the chains are now. Options go to `python -m stateful.audit.checkpoint`."""
    raise typer.Exit(_run("stateful.audit.checkpoint", context.args))


@audit.command("verify", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def audit_verify(context: typer.Context) -> None:
    """Find what was changed, deleted or moved. Options go to `python -m stateful.audit.verify`."""
    raise typer.Exit(_run("stateful.audit.verify", context.args))


@app.command()
def seed() -> None:
    """Make a demo tenant with the simulator as its provider and print its API key. Safe to run twice."""
    from local.cli import demo

    stack = _running()
    tenant = demo.seed(stack.home, stack)
    _console.print(f"tenant   {tenant.slug} {tenant.id}{'' if tenant.created else ' (was there)'}")
    _console.print(f"API key  {tenant.key}")


@app.command()
def restart(component: Annotated[str, typer.Argument(help="Its name, as `dcoder status` shows it.")]) -> None:
    """Start one component anew and wait until it is healthy."""
    from local.cli import lifecycle

    home = Home.locate()
    with _console.status(f"restarting {component} …"):
        lifecycle.restart(home, component)
    _console.print(f"[green]✓[/] {component}")


@app.command()
def deploy(
    stack: Annotated[str, typer.Argument(help="Which one: dev, staging, prod; its file is Pulumi.<stack>.yaml.")],
    percent: Annotated[int, typer.Option(min=1, max=100, help="Share of the traffic for what is new.")] = 100,
    api: Annotated[str | None, typer.Option(help="Where the smoke test asks, if not at the public name.")] = None,
    key: Annotated[str, typer.Option(envvar="DCODER_SMOKE_KEY", help="A tenant's key, for the smoke test.")] = "",
) -> None:
    """Release what is checked out onto Kubernetes; where a step fails, the former revisions keep or get the traffic."""
    from local.cli.deploy import deploy as release

    release(stack, percent=percent, api=api, key=key, say=lambda line: _console.print(line, markup=False))


containers = typer.Typer(help="The same platform as containers, with Docker Compose.", no_args_is_help=True)
app.add_typer(containers, name="compose")
_Development = Annotated[bool, typer.Option("--dev", help="Servers on loopback, the working tree's code, a simulator.")]
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@containers.command("up", context_settings=_PASS_ON)
def compose_up(context: typer.Context, dev: _Development = False) -> None:
    """Make what is missing, build our images, start everything in the background. Options go to `docker compose up`."""
    _compose(["up", "--detach", "--build", *context.args], development=dev)


@containers.command("down", context_settings=_PASS_ON)
def compose_down(context: typer.Context, dev: _Development = False) -> None:
    """Stop everything; volumes stay. Options go to `docker compose down`."""
    _compose(["down", *context.args], development=dev)


@containers.command("config", context_settings=_PASS_ON)
def compose_config(context: typer.Context, dev: _Development = False) -> None:
    """Print what Compose makes of the files. Options go to `docker compose config`."""
    _compose(["config", *context.args], development=dev)


def _compose(arguments: list[str], *, development: bool) -> NoReturn:
    from local.cli import compose

    for line in compose.prepare():
        Console(stderr=True, highlight=False, soft_wrap=True).print(line, markup=False)
    raise typer.Exit(compose.compose(arguments, development=development))


def _run(module: str, arguments: list[str]) -> int:
    program = _running().program()
    command = [*program.command(module), *arguments]
    return subprocess.run(command, env=dict(program.environment), cwd=program.folder, check=False).returncode


def _running() -> "Stack":
    from local.cli.lifecycle import running_state
    from local.embedded.stack import Stack

    home = Home.locate()
    running_state(home)
    return Stack.existing(home)


def _say_addresses(home: Home) -> None:
    from local.embedded.stack import Stack

    addresses = Stack.existing(home).addresses()
    _console.print(f"edge  {addresses['edge']}  {addresses['edgeTls']}")
