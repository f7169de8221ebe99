"""The `tls-tunnel` driver: Encryptor (ports.encryptor) over the Unix socket of a tunnel process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

from qorridor.adapters.wire import frames
from qorridor.base.errors import OutsideError, words_of
from qorridor.base.secret import Secret
from qorridor.ports.encryptor import InUse

_SECONDS = 5.0


class TlsTunnelDriver:
    """One end of one tunnel; each call is one exchange on the tunnel's control socket."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._channel: frames.Channel | None = None
        self._lock = asyncio.Lock()

    async def prepare(self, epoch: int, key: Secret, reason: str) -> None:
        """Stage a key; no effect on traffic."""
        await self._call("prepare", epoch=epoch, key=bytes(key.reveal()), reason=reason)

    async def commit(self, epoch: int, step: Literal["accept", "switch"]) -> None:
        """Accept an epoch beside its predecessor, or make traffic use it."""
        await self._call("commit", epoch=epoch, step=step)

    async def probe(self, epoch: int) -> InUse:
        """The epoch of the live trunk; waits two seconds for it at most (the driver's probe deadline)."""
        for _ in range(20):
            used = self._in_use(await self._call("probe"))
            if used.epoch == epoch:
                break
            await asyncio.sleep(0.1)
        return used

    async def running(self) -> int | None:
        """The epoch of the live trunk, None without one."""
        return self._in_use(await self._call("probe")).epoch

    async def rollback(self, epoch: int, reason: str) -> None:
        """Back to the predecessor of an epoch."""
        await self._call("rollback", epoch=epoch, reason=reason)

    async def retire(self, epoch: int) -> None:
        """Remove the keys of an epoch and of all before it."""
        await self._call("retire", epoch=epoch)

    async def kill(self, reason: str) -> None:
        """Stop traffic; verified by asking what runs."""
        await self._call("kill", reason=reason)
        if await self.running() is not None:
            raise OutsideError(
                "Q-ENC-005", "the tunnel still runs after kill", "stop its process", str(self._socket)
            )

    @staticmethod
    def _in_use(answer: frames.Frame) -> InUse:
        epoch = answer.get("epoch")
        return InUse(epoch if isinstance(epoch, int) else None, str(answer.get("evidence", "")))

    async def _call(self, call: str, **fields: int | str | bytes) -> frames.Frame:
        async with self._lock:
            try:
                async with asyncio.timeout(_SECONDS):
                    if self._channel is None:
                        self._channel = await frames.dial_unix(self._socket)
                    frame: frames.Frame = {"call": call}
                    frame.update(fields)
                    await self._channel.send(frame)
                    answer = await self._channel.receive()
            except (ConnectionError, TimeoutError, OutsideError) as error:
                await self._drop()
                raise OutsideError(
                    "Q-ENC-006", f"the tunnel process does not answer {call}: {words_of(error)}",
                    "it is started again by its supervisor", str(self._socket),
                ) from error  # fmt: skip
            except BaseException:  # cancelled: an answer that comes late belongs to nobody
                await self._drop()
                raise
            if answer is None:
                await self._drop()
                raise OutsideError("Q-ENC-006", f"the tunnel process went away during {call}",
                                   "it is started again by its supervisor", str(self._socket))  # fmt: skip
        if "code" in answer:
            raise OutsideError(
                str(answer["code"]), str(answer["cause"]), str(answer["remedy"]), str(self._socket)
            )
        return answer

    async def _drop(self) -> None:
        if self._channel is not None:
            await self._channel.close()
            self._channel = None
