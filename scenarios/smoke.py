"""`python -m scenarios.smoke URL`: the shortest proof that a release serves.

The edge answers and refuses strangers; with a tenant's key (`DCODER_SMOKE_KEY`) every function that has something to
read is asked for it once, which also wakes those that sleep. It changes nothing and calls no model.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator

import aiohttp

from functions.kit.catalogue import load_catalogue

# A function that sleeps has to be started first.
_TIMEOUT = aiohttp.ClientTimeout(total=60)
_AT_ONCE = 8
KEY_VARIABLE = "DCODER_SMOKE_KEY"


class NotServing(Exception):
    """The platform does not answer as it should; the message says what was asked, and what came."""


async def smoke(api: str, key: str = "") -> int:
    """Ask a platform through its edge; how many requests were answered as they should be.

    Args:
        api: address of the API, such as `https://api.dcoder.example`. An authority of one's own is trusted as
            `SSL_CERT_FILE` says.
        key: of a tenant; without it no function is asked.

    Raises:
        NotServing: an answer is not what it should be, or nobody answers.
    """
    base = api.rstrip("/")
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        await _ask(session, f"{base}/health/live", "", {200})
        await _ask(session, f"{base}/v1/models", "", {401})
        if not key:
            return 2
        await _ask(session, f"{base}/v1/models", key, {200})
        turns = asyncio.Semaphore(_AT_ONCE)

        async def in_turn(path: str) -> None:
            async with turns:
                await _ask(session, base + path, key, set(range(200, 500)))

        paths = list(readable())
        async with asyncio.TaskGroup() as group:
            for path in paths:
                group.create_task(in_turn(path))
    return 3 + len(paths)


def readable() -> Iterator[str]:
    """One path of each function that can be asked for something with a tenant's key and nothing else."""
    for function in load_catalogue().http():
        paths = [route.path for route in function.routes if route.method == "GET" and "{" not in route.path]
        if paths and not function.public:
            yield paths[0]


async def _ask(session: aiohttp.ClientSession, url: str, key: str, wanted: set[int]) -> None:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        async with session.get(url, headers=headers, allow_redirects=False) as answer:
            if answer.status not in wanted:
                raise NotServing(f"GET {url}: {answer.status} {(await answer.text(errors='replace'))[:300]}")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise NotServing(f"GET {url}: {error or 'no answer in time'}") from error


def run(api: str, key: str = "") -> int:
    """The same, for a program that does not wait for others.

    Raises:
        NotServing: see `smoke`.
    """
    try:
        return asyncio.run(smoke(api, key))
    except* NotServing as group:
        raise NotServing(str(_first(group))) from None


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m scenarios.smoke", description=__doc__)
    parser.add_argument("url", help="address of the API")
    try:
        asked = run(parser.parse_args().url, os.environ.get(KEY_VARIABLE, ""))
    except NotServing as error:
        sys.stderr.write(f"smoke: {error}\n")
        return 1
    sys.stdout.write(f"{asked} requests were answered as they should be\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
