"""TLS end points: which groups they take (raw hellos), and what one real handshake shows.

probe post-quantum groups -> probe all groups -> TLS 1.2 hello where 1.3 is refused -> one handshake
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from cryptography import x509

from qorridor.adapters.scanners import hello
from qorridor.adapters.scanners.facts import certificate_facts
from qorridor.adapters.scanners.hello import Answer
from qorridor.adapters.scanners.targets import Endpoint
from qorridor.adapters.wire.observe import Sight, observe
from qorridor.base.canonical import Json
from qorridor.discover.names import GROUPS, POST_QUANTUM
from qorridor.ports.world import Entropy
from qorridor.records.observations import Coverage, Observation

NAME = "tls"
AT_ONCE = 32

Seen = Observation | Coverage


@dataclass(frozen=True, slots=True)
class Budget:
    """Seconds per probe and end points started per second."""

    seconds: float = 5.0
    per_second: float = 200.0


class TlsScanner:
    """Looks at the end points that it is given and at nothing else."""

    def __init__(self, entropy: Entropy, budget: Budget) -> None:
        self._entropy, self._budget = entropy, budget

    async def observe(
        self, endpoints: Sequence[Endpoint], done: Callable[[], None] = lambda: None
    ) -> AsyncIterator[Seen]:
        """Observations and one coverage record per end point, in the order of `endpoints`."""
        gate = asyncio.Semaphore(AT_ONCE)
        tasks = [
            asyncio.create_task(self._paced(index, point, gate)) for index, point in enumerate(endpoints)
        ]
        try:
            for task in tasks:
                for seen in await task:
                    yield seen
                done()
        finally:
            for task in tasks:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _paced(self, index: int, point: Endpoint, gate: asyncio.Semaphore) -> list[Seen]:
        await asyncio.sleep(index / self._budget.per_second)
        async with gate:
            return await self._look(point)

    async def _look(self, point: Endpoint) -> list[Seen]:
        try:
            facts = await self._facts(point)
        except TimeoutError:
            return [Coverage(NAME, point.locator, "failed", "timeout")]
        except (OSError, UnicodeError):
            return [Coverage(NAME, point.locator, "failed", "filtered")]
        if facts is None:
            return [Coverage(NAME, point.locator, "failed", "parse-error")]
        return [
            Observation(NAME, point.locator, 1.0, "active", facts),
            Coverage(NAME, point.locator, "parsed"),
        ]

    async def _facts(self, point: Endpoint) -> dict[str, Json] | None:
        """None where the end point speaks no TLS at all."""
        quantum = await self._probe(point, POST_QUANTUM)
        every = await self._probe(point, tuple(GROUPS))
        older = None
        if every.kind != "retry":
            older = await self._probe(point, (29, 23, 24, 25), tls13=False)
            if older.kind != "hello" and every.kind not in {"hello", "alert"}:
                return None
        facts: dict[str, Json] = {
            "kind": "tls", "host": point.host, "port": point.port,
            "post_quantum_group": _group(quantum), "preferred_group": _group(every),
            "tls13": every.kind == "retry",
        }  # fmt: skip
        return facts | await self._handshake(point, older)

    async def _probe(self, point: Endpoint, groups: Sequence[int], *, tls13: bool = True) -> Answer:
        request = hello.client_hello(point.host, groups, self._entropy.draw(64), tls13=tls13)
        async with asyncio.timeout(self._budget.seconds):
            reader, writer = await asyncio.open_connection(point.host, point.port)
            try:
                writer.write(request)
                return await _answer(reader)
            except ConnectionError:
                return Answer("closed")
            finally:
                writer.transport.abort()

    async def _handshake(self, point: Endpoint, older: Answer | None) -> dict[str, Json]:
        try:
            sight = await observe(point.host, point.port, self._budget.seconds)
        except (OSError, TimeoutError, ValueError) as error:
            version = "TLSv1.2" if older and older.kind == "hello" and older.version == 0x0303 else ""
            return {"handshake": str(error) or type(error).__name__, "version": version, "chain": []}
        return _shown(sight)


def _group(answer: Answer) -> str:
    if answer.kind != "retry" or answer.group is None:
        return ""
    known = GROUPS.get(answer.group)
    return known.name if known else f"group 0x{answer.group:04x}"


def _shown(sight: Sight) -> dict[str, Json]:
    chain: list[Json] = [certificate_facts(x509.load_der_x509_certificate(der)) for der in sight.chain]
    return {
        "handshake": "", "version": sight.version, "group": sight.group, "cipher": sight.cipher,
        "chain": chain,
        "client_certificate": "requested" if sight.asks_for_certificate else "not requested",
    }  # fmt: skip


async def _answer(reader: asyncio.StreamReader) -> Answer:
    data = b""
    while len(data) <= hello.LIMIT:
        part = await reader.read(16384)
        if not part:
            return Answer("closed") if not data else Answer("other")
        data += part
        if (answer := hello.parse(data)) is not None:
            return answer
    return Answer("other")
