"""A real TCP service at the far site, and a client that uses it on one connection for as long as it is asked.

PostgreSQL where it is installed and can run as an unprivileged user, else an HTTP server with a file of
256 MB. Both check what arrives against a checksum that the service's side computes by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import socket
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qorridor.app.process import GRACE_SECONDS
from qorridor.base.errors import OutsideError

_CHUNK = 64 * 1024
_FILE_BYTES = 256 * 1024 * 1024
_PAUSE = 0.2
_START_SECONDS = 60.0
_PORTS = 3
_LOCALE = "C.UTF-8"
_SETPRIV = "setpriv"
_PSQL = "psql"


@dataclass(slots=True)
class Traffic:
    """What one connection carried: answers, bytes, and whether every checksum agreed."""

    service: str
    rounds: int = 0
    received: int = 0
    checksum: str = ""
    connection: str = ""
    broken: str = ""


def free_port() -> int:
    """A port of the loopback address that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres:
    """A PostgreSQL cluster of its own, on a free port, ended with the demo."""

    name = "PostgreSQL"

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder = folder
        self._programs = programs
        self._server: asyncio.subprocess.Process | None = None
        self.port = 0

    def _command(self, command: list[str], ending: str) -> list[str]:
        """`command` as PostgreSQL's own user where we are root; gets the signal `ending` when we die.

        setpriv asks for that signal after it has changed the user, which would clear it.
        """
        user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        return [_SETPRIV, *user, f"--pdeathsig={ending}", *command]

    async def _call(self, *command: str, text: str = "") -> str:
        child = await asyncio.create_subprocess_exec(
            *self._command(list(command), "TERM"), cwd="/", env=_environment(), stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            out, _ = await child.communicate(text.encode())
        finally:
            await _ended(child, signal.SIGTERM)
        if child.returncode:
            raise OutsideError("Q-KME-060", f"{Path(command[0]).name} failed: {out.decode()[-300:].strip()}",
                               "the demo can use its HTTP server: qorridor demo --service http")  # fmt: skip
        return out.decode()

    async def start(self) -> None:
        """Make the cluster, start it, fill a table; raises OutsideError Q-KME-060."""
        data = self._folder / "data"
        limit = time.monotonic() + _START_SECONDS
        self._folder.mkdir(mode=0o755)
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
        await self._call(
            str(self._programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "demo", "-N", "-E", "UTF8",
            f"--locale={_LOCALE}",
        )  # fmt: skip
        for _ in range(_PORTS):
            server = self._server = await self._listen(data)
            while server.returncode is None:
                with contextlib.suppress(OutsideError):
                    await self._sql(
                        "CREATE TABLE ledger AS SELECT i, md5(i::text) AS entry FROM generate_series(1, 50000) i"
                    )
                    return
                if time.monotonic() > limit:
                    raise self._silent()
                await asyncio.sleep(0.1)
        raise self._silent()

    def _silent(self) -> OutsideError:
        return OutsideError(
            "Q-KME-060", "PostgreSQL does not answer", f"read {self._folder.parent}/postgresql.log"
        )

    async def _listen(self, data: Path) -> asyncio.subprocess.Process:
        """Start the server on a port that was free a moment ago; it ends by itself when it no longer is."""
        self.port = free_port()
        with (self._folder.parent / "postgresql.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *self._command([
                    str(self._programs / "postgres"), "-D", str(data), "-p", str(self.port), "-h", "127.0.0.1",
                    "-k", "", "-c", "fsync=off",
                ], "INT"), cwd="/", env=_environment(), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    async def _sql(self, statement: str) -> str:
        return await self._call(
            _PSQL, "-XAtq", "-v", "ON_ERROR_STOP=1",
            f"postgresql://demo@127.0.0.1:{self.port}/postgres", text=statement,
        )  # fmt: skip

    async def use(self, port: int, until: Callable[[], bool], traffic: Traffic) -> None:
        """One psql connection to `port`: copy the table again and again until told to end."""
        expected = (
            await self._sql("SELECT md5(string_agg(i || '|' || entry, E'\\n' ORDER BY i)) FROM ledger")
        ).strip()
        client = await asyncio.create_subprocess_exec(
            *self._command([_PSQL, "-XAtq", f"postgresql://demo@127.0.0.1:{port}/postgres"], "TERM"),
            cwd="/", env=_environment(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, limit=1 << 20, start_new_session=True,
        )  # fmt: skip
        if client.stdin is None or client.stdout is None:  # pragma: no cover - both are pipes
            raise OutsideError("Q-KME-060", "psql has no pipes", "report it")
        traffic.checksum = expected
        backends: set[str] = set()
        try:
            while not until():
                client.stdin.write(
                    b"SELECT pg_backend_pid();\nSELECT i, entry FROM ledger ORDER BY i;\n\\echo end\n"
                )
                await client.stdin.drain()
                await self._one_round(client.stdout, expected, backends, traffic)
                await asyncio.sleep(_PAUSE)
        except ConnectionError:
            traffic.broken = "psql ended"
        finally:
            client.stdin.close()
            await _ended(client, signal.SIGTERM)

    def by_hand(self, port: int) -> str:
        """A command that uses the service through the tunnel's entry."""
        statement = "SELECT count(*) FROM ledger"
        return f"psql -h 127.0.0.1 -p {port} -U demo -d postgres -c '{statement}'"

    async def _one_round(
        self, out: asyncio.StreamReader, expected: str, backends: set[str], traffic: Traffic
    ) -> None:
        backend = (await out.readline()).decode().strip()
        backends.add(backend)
        lines: list[bytes] = []
        while (line := await out.readline()) != b"end\n":
            if not line:
                raise ConnectionResetError("psql ended")
            lines.append(line)
        body = b"".join(lines).rstrip(b"\n")
        traffic.rounds += 1
        traffic.received += len(body)
        traffic.connection = f"backend {backend}"
        if hashlib.md5(body, usedforsecurity=False).hexdigest() != expected or len(backends) != 1:
            raise ConnectionResetError("the answer differs from the service's own checksum")

    async def stop(self) -> None:
        """Fast shutdown of our own server process: SIGINT; at SIGTERM it would wait for its clients."""
        if self._server is not None:
            await _ended(self._server, signal.SIGINT)
        shutil.rmtree(self._folder, ignore_errors=True)


class HttpFile:
    """An HTTP server with one file of 256 MB."""

    name = "HTTP server with a file of 256 MB"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: asyncio.Server | None = None
        self.port = 0
        self._digest = ""

    async def start(self) -> None:
        """Write the file, note its checksum, listen."""
        self._folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with (self._folder / "file").open("wb") as file:
            for number in range(_FILE_BYTES // _CHUNK):
                await asyncio.sleep(0)  # it takes seconds: signals are heeded meanwhile
                chunk = hashlib.shake_128(number.to_bytes(4, "big")).digest(_CHUNK)
                digest.update(chunk)
                file.write(chunk)
        self._digest = digest.hexdigest()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /file "):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % _FILE_BYTES)
                with (self._folder / "file").open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        writer.write(chunk)
                        await writer.drain()
        await _closed(writer)

    async def use(self, port: int, until: Callable[[], bool], traffic: Traffic) -> None:
        """One connection to `port`: fetch the file again and again until told to end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        traffic.checksum, traffic.connection = self._digest, str(writer.get_extra_info("sockname"))
        try:
            while not until():
                writer.write(b"GET /file HTTP/1.1\r\nHost: demo\r\n\r\n")
                await reader.readuntil(b"\r\n\r\n")
                digest, left = hashlib.sha256(), _FILE_BYTES
                while left:
                    chunk = await reader.readexactly(min(left, _CHUNK))
                    digest.update(chunk)
                    left -= len(chunk)
                    traffic.received += len(chunk)
                traffic.rounds += 1
                if digest.hexdigest() != self._digest:
                    traffic.broken = "the file differs from the service's own checksum"
                    return
                await asyncio.sleep(_PAUSE)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            traffic.broken = str(error)
        finally:
            await _closed(writer)

    def by_hand(self, port: int) -> str:
        """A command that uses the service through the tunnel's entry."""
        return f"curl -sS -o /dev/null http://127.0.0.1:{port}/file"

    async def stop(self) -> None:
        """Stop listening and remove the file."""
        if self._server is not None:
            self._server.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    """What PostgreSQL's programs see: a locale that is always there, and no PG* setting of the reader."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": _LOCALE, "PGCONNECT_TIMEOUT": "5"}


async def _ended(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Ask a child to end by a signal, and insist after five seconds; nothing for one that has ended."""
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(number)
    try:
        await asyncio.wait_for(child.wait(), GRACE_SECONDS)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def _may_enter(folder: Path, user: str) -> bool:
    """Whether `user` can reach `folder`: every folder above lets others through."""
    if os.geteuid() != 0:
        return True
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    above = [folder, *folder.parents]
    return all(not path.exists() or path.stat().st_mode & stat.S_IXOTH for path in above)


def choose_service(folder: Path, wanted: str = "") -> tuple[Postgres | HttpFile, str]:
    """The service of the demo, and why it is that one; raises OutsideError Q-KME-060 when PostgreSQL is
    wanted and cannot be had."""
    service, reason = _choose(folder.resolve(), wanted)
    if wanted == "postgresql" and not isinstance(service, Postgres):
        raise OutsideError("Q-KME-060", reason, "install it, or leave out --service postgresql", str(folder))
    return service, reason


def _choose(folder: Path, wanted: str) -> tuple[Postgres | HttpFile, str]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)
    if wanted == "http":
        return HttpFile(folder / "http"), "as asked"
    if not found:
        return HttpFile(folder / "http"), "PostgreSQL is not installed (apt install postgresql)"
    if not shutil.which(_PSQL) or not shutil.which(_SETPRIV):
        return HttpFile(
            folder / "http"
        ), "PostgreSQL wants psql and setpriv (apt install postgresql util-linux)"
    if not _may_enter(folder, "postgres"):
        return HttpFile(
            folder / "http"
        ), "PostgreSQL does not run as root, and its user may not enter this folder"
    return Postgres(folder / "postgresql", found[0].parent), "installed here"
