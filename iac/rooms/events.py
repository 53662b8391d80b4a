"""The event bus: streams and consumers as declared, the dispatcher with its relay."""

from collections.abc import Iterator

from functions.kit.catalogue import Function
from iac.configuration.base import byte_count
from iac.configuration.loading import ConfigurationError
from iac.manifests import ROOM_LABEL, Manifest, manifest, secret
from iac.rooms.settings import DISPATCHER_SETTINGS, KEY_MOUNTS, SETTINGS, WRITABLE, key_volume, settings
from iac.stack import DATA, FUNCTION_URL, FUNCTIONS, Platform
from iac.workloads import Container, Workload, http_probe
from stateful.nats.streams import Declaration, load_declarations, stream_of

ROOM = "events"
_LABELS = {ROOM_LABEL: ROOM}
_PORT = 8104
# As the dispatcher declares them: stateful/nats/dispatcher/consumer.py.
_ACK_WAIT = "30s"
_MOST_UNSETTLED = 10_000


def objects(platform: Platform) -> Iterator[Manifest]:
    """Everything of the room.

    Raises:
        ConfigurationError: the servers have no room for the streams.
    """
    texts = {"user": "dcoder", "password": "{{ nats }}", "quoted": '"{{ nats }}"'}
    yield secret("nats-credentials", DATA, texts, room=ROOM)
    declarations = load_declarations()
    _check_room(declarations, platform)
    for declaration in declarations:
        yield _stream(declaration, platform)
    for function in platform.catalogue.subscribed():
        yield _consumer(function, declarations)
    yield from _dispatcher(platform)


def _check_room(declarations: tuple[Declaration, ...], platform: Platform) -> None:
    needed, given = sum(one.max_bytes for one in declarations), platform.configuration.nats.storage.size
    if byte_count(given) < needed:
        least = f"{-(-needed // 1024**3)}Gi"
        raise ConfigurationError(
            f"dcoder:nats.storage.size: {given} is less than the {least} that streams ask JetStream for\n"
            f"  fix: pulumi config set --path 'dcoder:nats.storage.size' {least}"
        )


def _stream(declaration: Declaration, platform: Platform) -> Manifest:
    return manifest(
        "jetstream.nats.io/v1beta2",
        "Stream",
        declaration.name.lower(),
        namespace=DATA,
        labels=_LABELS,
        spec={
            "name": declaration.name,
            "description": declaration.description,
            "subjects": list(declaration.subjects),
            "storage": "file",
            "retention": "limits",
            "discard": "old",
            "maxAge": f"{declaration.max_age}s",
            "maxBytes": declaration.max_bytes,
            "duplicateWindow": f"{declaration.duplicates_window}s",
            "replicas": min(declaration.replicas, platform.configuration.nats.replicas),
            "allowDirect": True,
            # Deleting the object leaves what has happened: data goes by hand.
            "preventDelete": True,
        },
    )


def _consumer(function: Function, declarations: tuple[Declaration, ...]) -> Manifest:
    subjects = list(dict.fromkeys(function.subscriptions))
    filters = {"filterSubject": subjects[0]} if len(subjects) == 1 else {"filterSubjects": subjects}
    return manifest(
        "jetstream.nats.io/v1beta2",
        "Consumer",
        function.name,
        namespace=DATA,
        labels=_LABELS,
        spec={
            "streamName": stream_of(subjects, declarations),
            "durableName": function.name,
            "description": f"events for {function.name}",
            "deliverPolicy": "all",
            "ackPolicy": "explicit",
            "ackWait": _ACK_WAIT,
            "maxDeliver": -1,
            "maxAckPending": _MOST_UNSETTLED,
            **filters,
        },
    )


def _dispatcher(platform: Platform) -> Iterator[Manifest]:
    configuration = platform.configuration.dispatcher
    container = Container(
        name="dispatcher",
        image=platform.image("platform"),
        args=("stateful.nats.dispatcher",),
        resources=configuration.resources,
        ports={"http": _PORT},
        env={**settings(platform), "DCODER_FUNCTION_URL": FUNCTION_URL, "PORT": str(_PORT)},
        env_from=(SETTINGS, DISPATCHER_SETTINGS),
        live=http_probe("/health/live", _PORT, seconds=15, failures=4),
        ready=http_probe("/health/ready", _PORT),
        writable=WRITABLE,
        mounts=KEY_MOUNTS,
    )
    yield from Workload(
        name="dispatcher",
        namespace=FUNCTIONS,
        room=ROOM,
        containers=(container,),
        replicas=configuration.replicas,
        volumes=(key_volume(),),
        metrics=("http", "/metrics"),
        # Deliveries in flight get 25 seconds; what is left goes back to the stream.
        grace_seconds=45,
    ).deployment()
