"""Sessions of tenants' objects: asked for once, renewed unnoticed, missed only when there is none."""

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import format_datetime
from typing import Self

import aiohttp
import pytest

from functions.kit import object_access, sts
from functions.kit.errors import DependencyUnavailable, NotFound
from functions.kit.objects import Bucket, Objects, ObjectStorage
from functions.kit.sts import SecurityTokens
from stateful.objects.sync import synchronise
from tests.integration.stateful.objects.conftest import Store
from tests.integration.stateful.objects.front import Change, Front, front_of

BUCKET = "documents"
PIECE = bytes(6 * 1024 * 1024)


@pytest.fixture
async def front(store: Store) -> AsyncIterator[Front]:
    """In the way of sessions, and of nothing else."""
    synchronise(store.owner())
    async with front_of(store.component.address) as made:
        yield made


@pytest.fixture
async def documents(store: Store, front: Front) -> AsyncIterator[Bucket]:
    storage = ObjectStorage(store.settings(s3_sts_endpoint=front.address, s3_timeout_seconds=5.0))
    yield storage.bucket(BUCKET)
    await storage.close()


@pytest.fixture
def objects(documents: Bucket) -> Objects:
    return documents.of_tenant(str(uuid.uuid4()))


@pytest.fixture
def always_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every use of a session asks for the next one."""
    monkeypatch.setattr(object_access, "_EARLY", 2.0)
    monkeypatch.setattr(object_access, "_AGAIN_SECONDS", 0.0)


@dataclass
class Clock:
    """The time as sessions are told it."""

    ahead: float = 0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(sts, "time", made)
    return made


def lasting(seconds: float) -> Change:
    """A change of a session's answer: it ends so many seconds from then."""

    def change(text: str) -> str:
        ends = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        return re.sub("<Expiration>.*?</Expiration>", f"<Expiration>{ends}</Expiration>", text)

    return change


async def test_many_calls_of_many_tenants_ask_once_for_each(documents: Bucket, front: Front) -> None:
    tenants = [str(uuid.uuid4()) for _ in range(60)]
    await asyncio.gather(
        *(documents.of_tenant(tenant).put(f"file-{number}", b"x") for number in range(4) for tenant in tenants)
    )
    assert sorted(front.asked) == sorted(f"tenant-{tenant}" for tenant in tenants)
    for tenant in tenants:
        assert len([found async for found in documents.of_tenant(tenant).list()]) == 4
    assert len(front.asked) == len(tenants)


async def test_the_least_used_are_forgotten_and_ask_again(
    documents: Bucket, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_access, "_MOST", 2)
    first, second, third = (documents.of_tenant(str(uuid.uuid4())) for _ in range(3))
    for objects in (first, second, first, third, first):
        await objects.put("a", b"")
    assert len(front.asked) == 3
    await second.put("a", b"")
    assert len(front.asked) == 4


async def test_whoever_gives_up_waiting_takes_the_session_from_nobody(objects: Objects, front: Front) -> None:
    front.hold = asyncio.Event()
    patient = asyncio.create_task(objects.put("a", b"a"))
    impatient = asyncio.create_task(objects.get("a"))
    await front.was_asked.wait()
    impatient.cancel()
    front.hold.set()
    await patient
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert await objects.get("a") == b"a"
    assert len(front.asked) == 1


async def test_without_a_session_it_is_said_that_the_store_is_not_available(objects: Objects, front: Front) -> None:
    front.is_away = True
    calls = [objects.put("a", b""), objects.get("a"), objects.head("a"), objects.delete("a"), objects.presign("a")]
    for call in [*calls, anext(aiter(objects.list())), anext(objects.stream("a"))]:
        with pytest.raises(DependencyUnavailable, match="token service cannot be reached"):
            await call
    front.is_away = False
    await objects.put("a", b"")


async def test_a_refusal_is_told_to_operators_and_not_to_callers(
    store: Store, front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = "arn:aws:iam::000000000000:role/nobody-made-it"
    settings = store.settings(s3_sts_endpoint=front.address, s3_tenant_role=nobody)
    with pytest.raises(DependencyUnavailable, match="token service refuses") as raised:
        await ObjectStorage(settings).bucket(BUCKET).of_tenant(str(uuid.uuid4())).get("a")
    assert "nobody" not in str(raised.value)
    reasons = [getattr(record, "reason", "") for record in caplog.records]
    assert any("AccessDenied" in reason and "nobody-made-it" in reason for reason in reasons)


async def test_a_slow_service_is_waited_for_no_longer_than_objects(store: Store, front: Front) -> None:
    front.hold = asyncio.Event()
    settings = store.settings(s3_sts_endpoint=front.address, s3_timeout_seconds=0.2)
    with pytest.raises(DependencyUnavailable, match="in time"):
        await ObjectStorage(settings).bucket(BUCKET).of_tenant(str(uuid.uuid4())).get("a")


@pytest.mark.usefixtures("always_early")
async def test_while_a_session_lasts_its_service_may_be_away_or_slow(objects: Objects, front: Front) -> None:
    await objects.put("a", b"a")
    front.is_away = True
    for _ in range(5):
        assert await objects.get("a") == b"a"
    front.is_away, front.hold = False, asyncio.Event()
    for _ in range(5):
        assert await objects.get("a") == b"a"
    assert len(front.asked) > 1


async def test_a_session_that_ends_is_followed_by_the_next(objects: Objects, front: Front, clock: Clock) -> None:
    await objects.put("a", b"a")
    clock.ahead += 7199.0
    assert await objects.get("a") == b"a"
    clock.ahead += 1.0
    front.is_away = True
    with pytest.raises(DependencyUnavailable):
        await objects.get("a")
    front.is_away = False
    assert await objects.get("a") == b"a"
    assert await objects.get("a") == b"a"


async def test_an_upload_outlives_the_session_that_it_was_begun_with(store: Store, front: Front, clock: Clock) -> None:
    storage = ObjectStorage(store.settings(s3_endpoint=front.address))
    objects = storage.bucket(BUCKET).of_tenant(str(uuid.uuid4()))
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        while len(front.part_keys) < 2:
            sent += len(PIECE)
            yield PIECE
            if front.part_keys and len(front.asked) == 1:
                front.change = None
                clock.ahead += 200

    front.change = lasting(200)
    await objects.put("long", body())
    assert (await objects.head("long")).size == sent
    assert len(front.asked) == 2
    await storage.close()


async def test_a_session_that_the_store_refuses_is_replaced_within_the_call(
    objects: Objects, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_access, "_AGAIN_SECONDS", 0.0)
    # As after a change of what the store signs sessions with.
    front.change = lambda text: re.sub("<SessionToken>.{9}", "<SessionToken>spoilt", text)
    with pytest.raises(DependencyUnavailable, match="refuses"):
        await objects.get("a")
    front.change = None
    await objects.put("a", b"a")
    assert await objects.get("a") == b"a"
    asked = len(front.asked)
    assert await objects.get("a") == b"a"
    assert len(front.asked) == asked


async def test_refusals_ask_for_no_more_than_a_session_in_a_while(
    objects: Objects, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_access, "_AGAIN_SECONDS", 3600.0)
    front.change = lambda text: re.sub("<SessionToken>.{9}", "<SessionToken>spoilt", text)
    for _ in range(5):
        with pytest.raises(DependencyUnavailable, match="refuses"):
            await objects.get("a")
    assert len(front.asked) == 1


@pytest.mark.parametrize("minutes", [-1, 1, 300])
async def test_a_clock_that_is_wrong_shortens_no_session(store: Store, front: Front, minutes: int) -> None:
    theirs = datetime.now(UTC) + timedelta(minutes=minutes)
    front.date = format_datetime(theirs, usegmt=True)
    ends = (theirs + timedelta(seconds=900)).strftime("%Y-%m-%dT%H:%M:%SZ")
    front.change = lambda text: re.sub("<Expiration>.*?</Expiration>", f"<Expiration>{ends}</Expiration>", text)
    tokens = SecurityTokens(store.settings(s3_sts_endpoint=front.address))
    session = await tokens.session("tenant-x", object_access.session_policy(BUCKET, str(uuid.uuid4())), 900)
    assert session.seconds in {899, 900}


@pytest.mark.parametrize("minutes", [-1, 1])
async def test_a_clock_of_ours_that_is_wrong_by_a_minute_is_let_pass(
    objects: Objects, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(minutes=minutes)

    monkeypatch.setattr(sts, "datetime", Wrong)
    monkeypatch.setattr(object_access, "datetime", Wrong)
    await objects.put("a", b"a")
    assert await objects.get("a") == b"a"


@pytest.mark.parametrize("answer", ["", "<html>", "<AssumeRoleResponse/>", "Expiration"])
async def test_an_answer_that_makes_no_sense_is_an_error_in_words(objects: Objects, front: Front, answer: str) -> None:
    spoilt = "<Expiration>soon</Expiration>" if answer == "Expiration" else None
    front.change = lambda text: re.sub("<Expiration>.*?</Expiration>", spoilt, text) if spoilt else answer
    with pytest.raises(DependencyUnavailable, match="makes no sense"):
        await objects.get("a")


async def test_a_link_ends_before_the_session_that_signs_it(objects: Objects, front: Front) -> None:
    front.change = lasting(1000)
    await objects.put("a", b"a")
    link = await objects.presign("a", seconds=300)
    assert len(front.asked) == 1
    with pytest.raises(DependencyUnavailable, match="sessions are too short"):
        await objects.presign("a", seconds=3600)
    front.change = None
    # One that lasts longer than what is left is signed by a session of its own.
    longer = await objects.presign("a", seconds=3600)
    assert len(front.asked) == 3
    with pytest.raises(ValueError, match="1:59:00"):
        await objects.presign("a", seconds=7200)
    async with aiohttp.ClientSession() as http:
        for given in (link, longer):
            async with http.get(given) as found:
                assert await found.read() == b"a"
        tenant = re.search(r"/documents/([\w-]+)/", link)
        assert tenant is not None
        async with http.get(link.replace(tenant[1], str(uuid.uuid4()))) as refused:
            assert refused.status == 403


async def test_an_absent_object_is_told_from_a_refused_one_where_the_store_does_not(store: Store) -> None:
    synchronise(store.owner())
    async with front_of(store.component.address) as front:
        front.hides_absence = True
        storage = ObjectStorage(store.settings(s3_endpoint=front.address))
        objects = storage.bucket(BUCKET).of_tenant(str(uuid.uuid4()))
        for name in ("versions/1/origina", "versions/1/originals", "versions/2"):
            await objects.put(name, b"")
        reads: Sequence[str] = ("versions/1/original", "versions/1", "versions/2/original", "a")
        for name in reads:
            for call in (objects.get(name), objects.head(name), anext(objects.stream(name))):
                with pytest.raises(NotFound):
                    await call
        assert await objects.get("versions/2") == b""
        with pytest.raises(DependencyUnavailable, match="refuses"):
            await storage.bucket(BUCKET).get("versions/2")
        await storage.close()


async def test_without_sessions_keys_alone_keep_tenants_apart(store: Store) -> None:
    synchronise(store.owner())
    whole = ObjectStorage(store.owner()).bucket(BUCKET)
    tenant = str(uuid.uuid4())
    await whole.of_tenant(tenant).put("a", b"a")
    assert await whole.get(f"{tenant}/a") == b"a"
    assert "Security-Token" not in await whole.of_tenant(tenant).presign("a", seconds=604_800)


async def test_sessions_need_a_key_that_signs(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    keyless = ObjectStorage(store.settings(s3_access_key=None)).bucket(BUCKET)
    with pytest.raises(DependencyUnavailable, match="no session can be asked for"):
        await keyless.of_tenant(str(uuid.uuid4())).get("a")
    assert "DCODER_S3_ACCESS_KEY" in caplog.text
