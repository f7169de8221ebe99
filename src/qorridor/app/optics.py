"""`qorridor optics LINK`: the process that stands where source, fibre and detectors of a link stand.

    transmitter.sock   {type: recall, slots}   -> {type: recalled, intensities, bases, bits}
                       {type: forget, before}
    receiver.sock      {type: collect, count}  -> {type: detections, slots, bases, clicks, arrival, last} ...
    inject.sock        {fault, parameters}     -> {fault, cut, bend, drift, intercept} or {cause}

Each end sees what its own module would show it: the receiver its clicks, the transmitter its memory; who
announces which slot to whom is the ends' own business, over their own channel. Slots travel as 64-bit
little-endian integers. Simulated time goes no faster than the clock on the wall, and stands still while
the receiver collects nothing.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qorridor.adapters.wire import frames
from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.app import process
from qorridor.app.estate_file import load
from qorridor.app.link_model import link_parameters
from qorridor.app.run_folder import announce
from qorridor.base.errors import LinkError
from qorridor.photonics.events import Conditions
from qorridor.photonics.memory import TransmitterMemory
from qorridor.photonics.parameters import LinkParameters
from qorridor.photonics.simulation import Detections, simulate, stream
from qorridor.ports.world import Clock

SUB_BLOCK_SECONDS = 0.05
"""Simulated time for which the conditions of the link are constant."""
REMEMBERED_CLICKS = 12_000_000
"""The memory keeps no more clicks than this, whatever the transmitter forgets to forget."""
_MEMORY_STREAM = 2**63
_ORIGIN = 1_767_225_600.0  # 2026-01-01: keeps slot numbers below 2^62 for a century at 1 GHz
_PARAMETERS = {"intercept": "fraction", "bend": "loss", "drift": "error"}


class Optics:
    """One simulated link: its clicks in order, its transmitter's memory, its conditions.

    `first` numbers the first sub-block; slots count from sub-block 0.
    """

    def __init__(self, link: LinkParameters, seed: int, clock: Clock, first: int = 0) -> None:
        self.link = link
        self.conditions = Conditions()
        self.memory = TransmitterMemory(link, stream(seed, _MEMORY_STREAM))
        self._seed, self._clock = seed, clock
        self._slots = max(1, round(link.clock * SUB_BLOCK_SECONDS))
        self._number = first
        self._waiting: Detections | None = None
        self._free_at = 0.0
        self._recorded: list[tuple[int, int]] = []

    async def collect(self, channel: frames.Channel, count: int) -> None:
        """Send the next `count` detections, sub-block by sub-block as time passes."""
        while count > 0:
            if self._waiting is None:
                await self._pace()
                self._waiting = self._next()
            part, self._waiting = _cut(self._waiting, count)
            count -= len(part.slots)
            if len(part.slots):
                await channel.send(_frame(part, last=count <= 0))

    async def _pace(self) -> None:
        """Wait until the sub-block's own time has passed; let other tasks run in any case."""
        now = self._clock.monotonic()
        await asyncio.sleep(max(0.0, self._free_at - now))
        self._free_at = max(now, self._free_at) + SUB_BLOCK_SECONDS

    def _next(self) -> Detections:
        number, self._number = self._number, self._number + 1
        block = simulate(
            self.link, number * self._slots, self._slots, stream(self._seed, number), self.conditions
        )
        self.memory.record(block.sent, block.stop)
        self._bound_memory(block.stop, len(block.sent.slots))
        return block.received

    def _bound_memory(self, stop: int, clicks: int) -> None:
        self._recorded.append((stop, clicks))
        if sum(count for _, count in self._recorded) > REMEMBERED_CLICKS:
            self._recorded = self._recorded[len(self._recorded) // 2 :]
            self.memory.forget(self._recorded[0][0])

    def forget(self, before: int) -> None:
        """The transmitter is done with everything before slot `before`."""
        self._recorded = [entry for entry in self._recorded if entry[0] > before]
        self.memory.forget(before)

    def inject(self, frame: frames.Frame) -> frames.Frame:
        """Change the conditions; the answer names them, or the cause of the refusal."""
        try:
            fault = str(frame.get("fault", ""))
            self.conditions = self.conditions.after(fault, _value(fault, frame.get("parameters")))
        except LinkError as error:
            return {"cause": error.cause, "code": error.code}
        now = self.conditions
        return {
            "fault": fault, "cut": now.cut > 0, "bend": repr(now.bend), "drift": repr(now.drift),
            "intercept": repr(now.intercept),
        }  # fmt: skip


def _value(fault: str, parameters: object) -> float:
    name = _PARAMETERS.get(fault)
    if name is None:
        return 1.0
    try:
        return float(str(dict(parameters)[name]))  # type: ignore[call-overload]
    except (KeyError, ValueError, TypeError):
        raise LinkError(
            "Q-LINK-003", f"fault {fault} needs the parameter {name}", f"add --{name} NUMBER"
        ) from None


def _cut(detections: Detections, count: int) -> tuple[Detections, Detections | None]:
    """The first `count` detections, and the rest if there is one."""
    if len(detections.slots) <= count:
        return detections, None
    head, rest = (
        Detections(
            detections.slots[part], detections.bases[part], detections.clicks[part], detections.arrival[part]
        )
        for part in (slice(None, count), slice(count, None))
    )
    return head, rest


def _frame(part: Detections, *, last: bool) -> frames.Frame:
    return {
        "type": "detections", "slots": part.slots.astype("<i8").tobytes(), "bases": part.bases.tobytes(),
        "clicks": part.clicks.tobytes(), "arrival": part.arrival.astype("<i2").tobytes(), "last": last,
    }  # fmt: skip


def _slots(value: object) -> NDArray[np.int64]:
    if not isinstance(value, bytes) or len(value) % 8:
        raise LinkError("Q-LINK-004", "slots are 64-bit integers", "restart the link end")
    return np.frombuffer(value, "<i8").astype(np.int64)


async def _transmitter(optics: Optics, channel: frames.Channel) -> None:
    while (frame := await channel.receive()) is not None:
        if frame.get("type") == "forget":
            optics.forget(int(str(frame["before"])))
            continue
        try:
            sent = optics.memory.answer(_slots(frame.get("slots")))
        except LinkError as error:
            await channel.send({"type": "refused", "cause": error.cause})
            continue
        await channel.send({
            "type": "recalled", "intensities": sent.intensities.tobytes(), "bases": sent.bases.tobytes(),
            "bits": sent.bits.tobytes(),
        })  # fmt: skip


async def _receiver(optics: Optics, channel: frames.Channel) -> None:
    while (frame := await channel.receive()) is not None:
        await optics.collect(channel, int(str(frame["count"])))


async def _injector(optics: Optics, channel: frames.Channel) -> None:
    while (frame := await channel.receive()) is not None:
        await channel.send(optics.inject(frame))


async def serve(optics: Optics, state: Path) -> list[asyncio.Server]:
    """Open the three sockets in `state`, mode 0600."""
    return [
        await frames.serve_unix(state / "transmitter.sock", lambda channel: _transmitter(optics, channel)),
        await frames.serve_unix(state / "receiver.sock", lambda channel: _receiver(optics, channel)),
        await frames.serve_unix(state / "inject.sock", lambda channel: _injector(optics, channel)),
    ]


async def run_optics(
    estate_file: Path, link: str, state: Path, seed: int | None, stop: asyncio.Event
) -> None:
    """Serve one simulated link until `stop`.

    Slots are numbered by the clock, so that those of a restarted process follow the old ones: the
    transmitter takes no slot twice.
    """
    clock = SystemClock()
    first = round((clock.now() - _ORIGIN) / SUB_BLOCK_SECONDS)
    drawn = int.from_bytes(SystemEntropy().draw(8), "big") if seed is None else seed
    servers = await serve(Optics(link_parameters(load(estate_file), link), drawn, clock, first), state)
    announce(state, {})
    await stop.wait()
    for server in servers:
        server.close()


def main(estate_file: Path, link: str, state: Path, seed: int | None = None) -> None:
    """Entry of the process."""
    process.harden()
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    process.run_until_signalled(lambda stop: run_optics(estate_file, link, state, seed, stop))
