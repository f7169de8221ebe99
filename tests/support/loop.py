"""Event loops that forget nothing: an exception that nobody fetched fails the test."""

import asyncio
import gc

LIMIT = 40.0
"""Only a hanging test reaches this."""


def run(main):
    """asyncio.run with a limit; fails when a task of the product died unseen."""
    unseen = []

    async def body():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
        async with asyncio.timeout(LIMIT):
            return await main

    try:
        return asyncio.run(body())
    finally:
        gc.collect(1)  # the young: what this loop has made
        assert not unseen, unseen


async def until(condition):
    """Wait until a condition that other tasks bring about holds."""
    while not condition():  # noqa: ASYNC110 - the condition is anything
        await asyncio.sleep(0.005)
