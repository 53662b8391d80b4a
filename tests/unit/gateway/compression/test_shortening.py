"""How far a prompt is compressed, who says so, and what becomes of one that takes too long."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from functions.gateway.adapters.compression_process import TARGET, CompressionProcess
from functions.gateway.core.compression import Level, compress
from functions.gateway.core.shortening import Shortening, level_of, shortened
from functions.gateway.core.tokens import counter
from functions.kit.errors import InvalidRequest
from functions.kit.offload import Offload
from tests.unit.gateway.compression.prompts import ANSWER, long_prompt, user

MODEL = "gpt-4o"


@pytest_asyncio.fixture
async def offload() -> AsyncIterator[Offload]:
    made = Offload(TARGET, seconds=30)
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("tenants", "asked", "level"),
    [
        ("off", None, "off"),
        ("full", None, "full"),
        ("full", "light", "light"),
        ("full", "off", "off"),
        ("light", "full", "light"),
        ("off", "full", "off"),
    ],
)
def test_a_call_may_lower_the_level_and_never_raise_it(tenants: Level, asked: str | None, level: Level) -> None:
    assert level_of(tenants, asked) == level


def test_what_is_no_level_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        level_of("light", "a lot")


async def test_a_long_prompt_is_compressed_elsewhere_as_it_would_be_here(offload: Offload) -> None:
    body = {"model": MODEL, "messages": long_prompt(), "temperature": 0}
    before = [dict(message) for message in long_prompt()]
    shorter, told = await shortened(CompressionProcess(offload), body, "light", MODEL)
    here = compress(long_prompt(), "light", count=counter(MODEL))
    assert shorter == {**body, "messages": here.messages}
    assert told == Shortening("light", here.tokens_before, here.tokens_after)
    assert 0.7 <= told.after / told.before <= 0.8
    assert ANSWER in shorter["messages"][0]["content"]
    assert body["messages"] == before
    assert str(told) == f"light; before={told.before}; after={told.after}"


async def test_a_short_prompt_or_a_level_off_leaves_everything(offload: Offload) -> None:
    compressor = CompressionProcess(offload)
    short = {"messages": [user("What is the capital of France?")]}
    assert await shortened(compressor, short, "full", MODEL) == (short, None)
    long = {"messages": long_prompt()}
    assert await shortened(compressor, long, "off", MODEL) == (long, None)


async def test_what_takes_too_long_or_is_no_text_goes_as_it_is(offload: Offload) -> None:
    body = {"messages": long_prompt(200)}
    hurried = Offload(TARGET, seconds=0.001)
    assert await shortened(CompressionProcess(hurried), body, "light", MODEL) == (body, None)
    await hurried.close()
    torn = {"messages": [user("\ud800 " + "word " * 1000)]}
    assert await shortened(CompressionProcess(offload), torn, "light", MODEL) == (torn, None)
