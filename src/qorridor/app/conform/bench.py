"""What a case works with: parties that ask, keys that are counted, evidence that is kept without key bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from qorridor.adapters.peers import raw_http
from qorridor.adapters.peers.raw_http import RawAnswer, RawConnection
from qorridor.app.conform.parties import Parties, Party
from qorridor.base.errors import OutsideError, words_of
from qorridor.prove.conformance import judgement
from qorridor.prove.conformance.judgement import Key, Ledger
from qorridor.prove.conformance.redaction import Redactor
from qorridor.prove.conformance.verdicts import Exchange, Finding, Verdict, inconclusive, skip

_FIRST, _LAST = 6, 6
_TROUBLE = (OutsideError, ConnectionError, TimeoutError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Settings:
    """How hard a run presses; counts are those of the contract."""

    budget: int = 2000
    """Most keys that may be burnt."""
    seconds: float = 10.0
    """How long one answer may take."""
    hold: float = 60.0
    """How long half-sent requests are held, seconds (C64)."""
    parallel: int = 32
    """Parallel Get key calls (C56)."""
    both_ways: int = 200
    """Keys per direction (C57)."""
    fetches: int = 16
    """Parallel fetches of one key (C58)."""
    at_once: int = 200
    """Keys fetched as soon as they are given (C59)."""
    half_sent: int = 50
    """Connections with half a request (C64)."""
    leaving: int = 50
    """Slaves that go away (C65)."""
    hooks: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    """What the suite cannot do itself, by name: restart, revoke, peer-stop, peer-start."""
    unsatisfiable: Mapping[str, Any] | None = None
    """A mandatory extension that the KME knows, with a value that it cannot meet (C45)."""


class Bench:
    """One run's view of the KME."""

    def __init__(self, parties: Parties, settings: Settings, run_key: bytes) -> None:
        self.parties = parties
        self.settings = settings
        self.redactor = Redactor(run_key)
        self.ledger = Ledger(self.redactor.digest)
        self.burnt = 0
        self.error_faults: Counter[str] = Counter()
        self.errors = 0
        self.cacheable: Counter[str] = Counter()
        self.answers = 0
        self._kept: dict[Party, RawConnection] = {}
        self._status: dict[str, Any] | None = None
        self.start_case()

    def start_case(self) -> None:
        """Forget the evidence of the case before."""
        self.notes: list[str] = []
        self._first: list[Exchange] = []
        self._last: deque[Exchange] = deque(maxlen=_LAST)
        self._count = 0

    def evidence(self) -> tuple[tuple[Exchange, ...], int]:
        """First and last exchanges of the case, and how many lie between."""
        shown = (*self._first, *self._last)
        return shown, self._count - len(shown)

    def note(self, text: str) -> None:
        """Tell the reader something that is no deviation."""
        if text not in self.notes:
            self.notes.append(text)

    # -- asking -------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def connection(self, party: Party) -> AsyncIterator[RawConnection]:
        """A fresh connection that is closed afterwards."""
        connection = await raw_http.dial(party.kme.host, party.kme.port, party.context())
        try:
            yield connection
        finally:
            connection.close()

    async def _dialled(self, party: Party) -> RawConnection:
        kept = self._kept.get(party)
        if kept is None or kept.stream.is_closed:
            kept = await raw_http.dial(party.kme.host, party.kme.port, party.context())
            self._kept[party] = kept
        return kept

    def drop(self, party: Party | None = None) -> None:
        """Close the kept connection of a party, or all."""
        for each in [party] if party is not None else list(self._kept):
            if each in self._kept:
                self._kept.pop(each).close()

    def request(
        self, party: Party, method: str, target: str, body: bytes | None = None, headers: Sequence[str] = ()
    ) -> bytes:
        """A proper request of a party as bytes."""
        return raw_http.request_bytes(method, target, party.kme.authority, body, headers)

    async def send(
        self, party: Party, data: bytes, *, connection: RawConnection | None = None, has_body: bool = True
    ) -> RawAnswer:
        """One exchange of raw bytes; keeps its evidence. Raises what the wire raises."""
        own = connection is None
        if b"/enc_keys" in data.partition(b"\r\n")[0]:
            self.afford(1)
        try:
            async with asyncio.timeout(self.settings.seconds):
                connection = connection or await self._dialled(party)
                await connection.send(data)
                answer = await connection.receive(has_body=has_body)
        except BaseException as error:
            if own:
                self.drop(party)
            tls = connection.stream.peer if connection is not None else None
            self._keep(party, data, f"no answer: {words_of(error)}", tls)
            raise
        self._keep(party, data, answer, connection.stream.peer)
        answer = replace(answer, words=self.redactor.message(judgement.message_of(answer.body)))
        self._look(data, answer)
        if own and answer.header("connection").lower() == "close":
            self.drop(party)
        return answer

    async def ask(
        self, party: Party, method: str, path: str, body: object = None, headers: Sequence[str] = (),
        *, connection: RawConnection | None = None,
    ) -> RawAnswer:  # fmt: skip
        """One proper request below /api/v1/keys; `body` is bytes, or written as JSON."""
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        data = self.request(party, method, f"/api/v1/keys/{path}", raw, headers)
        return await self.send(party, data, connection=connection, has_body=method != "HEAD")

    async def attempt(self, party: Party, data: bytes, *, fresh: bool = True) -> RawAnswer | None:
        """Like `send`, but a KME that closes or stays silent gives None."""
        if fresh:
            self.drop(party)
        try:
            return await self.send(party, data)
        except _TROUBLE:
            return None
        finally:
            if fresh:
                self.drop(party)

    def _keep(self, party: Party, data: bytes, answer: RawAnswer | str, peer: Any) -> None:
        self._count += 1
        sent, received = self._shown(data, answer)
        tls = f"{peer.version} {peer.group or 'no group'}" if peer is not None else "no TLS"
        exchange = Exchange(f"{party.role} ({party.sae_id}) at {party.kme.authority}", sent, received, tls)
        if len(self._first) < _FIRST:
            self._first.append(exchange)
        else:
            self._last.append(exchange)

    def _shown(self, data: bytes, answer: RawAnswer | str) -> tuple[str, str]:
        head, _, body = data.partition(b"\r\n\r\n")
        if isinstance(answer, str):
            received = self.redactor.head(answer)
        else:
            trusted = b"/status" in head.partition(b"\r\n")[0]
            shown = self.redactor.body(answer.body, trusted=trusted)
            received = self.redactor.head(answer.head) + shown
        sent = self.redactor.head(head.decode("latin-1")) + "\r\n\r\n"
        return sent + self.redactor.body(body, trusted=True), received

    def _look(self, data: bytes, answer: RawAnswer) -> None:
        """What the cases that look back at everything need: C52, C61, C62 and the budget."""
        line = data.partition(b"\r\n")[0].decode("latin-1")
        self.answers += 1
        if "no-store" not in answer.header("cache-control").lower():
            self.cacheable[_what(line)] += 1
        if answer.status in {400, 503}:
            self.errors += 1
            faults = judgement.error_faults(answer.status, answer.header("content-type"), answer.body)
            if self.redactor.knows(answer.body):
                faults.append(f"{answer.status} shows a key")
            self.error_faults.update(faults)
        if answer.status == 200 and "/enc_keys" in line:
            before = self.ledger.keys
            self.ledger.note(answer.body)
            self.burnt += self.ledger.keys - before

    # -- keys ---------------------------------------------------------------------------------

    def afford(self, count: int) -> None:
        """Stop before the budget is passed."""
        if self.burnt + count > self.settings.budget:
            inconclusive(f"the budget of {self.settings.budget} keys is spent: {self.burnt} are burnt, "
                         f"{count} more are needed (--budget)")  # fmt: skip

    async def status(self, party: Party | None = None, other: str = "") -> dict[str, Any]:
        """A Status, whole or not; without one the case cannot be judged."""
        caller = party or self.parties.a
        slave = other or (self.parties.b.sae_id if caller is not self.parties.b else self.parties.a.sae_id)
        answer = await self.ask(caller, "GET", f"{quote(slave, safe='')}/status")
        told = judgement.json_object(answer.body)
        if answer.status != 200 or told is None:
            inconclusive("needs a status, see C1")
        return told

    async def bounds(self) -> dict[str, Any]:
        """Sizes and numbers of the Status of A for B, which do not change; what C1 finds missing is assumed."""
        if self._status is None:
            self._status = await self.status()
        known, assumed = judgement.completed(self._status)
        for name in assumed:
            self.note(f"status gives no {name}: {known[name]} is assumed")
        return known

    async def stock(self) -> int:
        """stored_key_count of A for B now."""
        count = (await self.status()).get("stored_key_count")
        if type(count) is not int:
            inconclusive("status gives no stored_key_count, see C1")
        return count

    def enc_path(self, slave: Party, query: str = "") -> str:
        """Path and query of Get key for a slave."""
        return f"{quote(slave.sae_id, safe='')}/enc_keys{query}"

    async def enc(
        self, master: Party, slave: Party, request: object = None, *, query: str = "", method: str = "POST",
        connection: RawConnection | None = None,
    ) -> RawAnswer:  # fmt: skip
        """Get key; the keys it asks for must be affordable."""
        number = request.get("number", 1) if isinstance(request, dict) else 1
        self.afford(number if type(number) is int and number > 0 else 1)
        body = None if method == "GET" else ({} if request is None else request)
        return await self.ask(master, method, self.enc_path(slave, query), body, connection=connection)

    async def dec(
        self, caller: Party, master: Party, key_ids: Sequence[str], *, connection: RawConnection | None = None
    ) -> RawAnswer:
        """Get key with key IDs by POST."""
        body = {"key_IDs": [{"key_ID": key_id} for key_id in key_ids]}
        path = f"{quote(master.sae_id, safe='')}/dec_keys"
        return await self.ask(caller, "POST", path, body, connection=connection)

    async def given(
        self, number: int = 1, *, master: Party | None = None, slave: Party | None = None
    ) -> list[Key]:
        """Keys that a case needs to begin with; without them it cannot be judged."""
        master, slave = master or self.parties.a, slave or self.parties.b
        answer = await self.enc(master, slave, {"number": number})
        try:
            if answer.status != 200:
                raise ValueError(f"status {answer.status} {answer.words[:80]}")
            keys = judgement.container(answer.body)
            if len(keys) != number:
                raise ValueError(f"{len(keys)} keys instead of {number}")
        except ValueError as error:
            inconclusive(f"the keys that this case needs could not be had: {error}")
        return keys

    def third(self) -> Party:
        """C, or the case is skipped."""
        third = self.parties.c
        if third is None:
            skip("needs --third-sae")
        if third.kme not in {self.parties.a.kme, self.parties.b.kme}:
            skip("needs a third SAE at the KME of A or of B: another KME does not know the key")
        return third


def _what(line: str) -> str:
    """Method and last part of the path of a request line."""
    method, _, rest = line.partition(" ")
    return f"{method} {rest.partition(' ')[0].partition('?')[0].rpartition('/')[2]}"[:60]


def trouble(error: Exception) -> Finding:
    """What a wire that broke in a case means: the KME gave no answer where it owed one."""
    return Finding(Verdict.FAIL, f"no proper answer: {words_of(error)}")
