"""`qorridor optics LINK`: the process that stands where source, fibre and detectors of a link stand.

    transmitter.sock   {type: recall, slots}   -> {type: recalled, intensities, bases, bits}
                       {type: forget, before}
                       {type: monitor}        -> {type: monitored, module, line}
    receiver.sock      {type: collect, count}  -> {type: detections, slots, bases, clicks, arrival, last} ...
                       {type: monitor}        -> {type: monitored, module, line}
    inject.sock        {fault, parameters}     -> {fault, cut, bend, drift, intercept, severities} or {cause}

Each end sees what its own module would show it: the receiver its clicks, the transmitter its memory; who
announces which slot to whom is the ends' own business, over their own channel. Slots travel as 64-bit
little-endian integers; what monitors show is JSON, of the module's own end and of the line. Simulated time
goes no faster than the clock on the wall, and stands still while the receiver collects nothing.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from qorridor.adapters.wire import frames
from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.app import process
from qorridor.app.estate_file import load
from qorridor.app.kernels import keep_kernels
from qorridor.app.link_model import link_parameters
from qorridor.app.run_folder import announce
from qorridor.base.errors import LinkError
from qorridor.photonics.causes import CAUSES
from qorridor.photonics.drift import Drift, Rates
from qorridor.photonics.events import Basis, Conditions, Light
from qorridor.photonics.housekeeping import Housekeeping, document, monitor
from qorridor.photonics.memory import TransmitterMemory
from qorridor.photonics.onset import MOMENTS, Course
from qorridor.photonics.parameters import LinkParameters
from qorridor.photonics.sampler import Carried
from qorridor.photonics.simulation import Detections, simulate, stream
from qorridor.ports.world import Clock

SUB_BLOCK_SECONDS = 0.05
"""Simulated time drawn at once; a fault begins with the next such stretch."""
REMEMBERED_CLICKS = 12_000_000
"""The memory keeps no more clicks than this, whatever the transmitter forgets to forget."""
_MEMORY_STREAM = 2**63
_MONITOR_STREAM = 2**62
_DRIFT_STREAM = 2**61
_ORIGIN = 1_767_225_600.0  # 2026-01-01: keeps slot numbers below 2^62 for a century at 1 GHz
_PARAMETERS = {"intercept": "fraction", "bend": "loss", "drift": "error"}
_WHOLE = ("cut", "trojan")  # what they do is done whole unless a severity says otherwise


class Optics:
    """One simulated link: its clicks in order, its transmitter's memory, its conditions.

    `first` numbers the first sub-block; slots count from sub-block 0. `drift` is how it wanders once it does.
    """

    def __init__(
        self, link: LinkParameters, seed: int, clock: Clock, first: int = 0, drift: Drift | None = None
    ) -> None:
        self.link = link
        self.course = Course()
        self.memory = TransmitterMemory(link, stream(seed, _MEMORY_STREAM))
        self._seed, self._clock, self._drift = seed, clock, drift or Drift(Rates())
        self._slots = max(1, round(link.clock * SUB_BLOCK_SECONDS))
        self._number = first
        self._carried: Carried | None = None
        self._shown: dict[str, Housekeeping] = {}
        self._waiting: Detections | None = None
        self._free_at = 0.0
        self._recorded: list[tuple[int, int]] = []

    @property
    def conditions(self) -> Conditions:
        """What was injected and has not been cleared; a slow fault counts with its end."""
        return self.course.settled

    @conditions.setter
    def conditions(self, conditions: Conditions) -> None:
        self.course = Course(conditions)

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
        start = number * self._slots
        now = self._now(start, number)
        block = simulate(self.link, start, self._slots, stream(self._seed, number), now, self._carried)
        self._carried = block.carried
        self.memory.record(block.sent, block.stop)
        self._bound_memory(block.stop, len(block.sent.slots))
        shown = monitor(self.link, block, now, stream(self._seed, _MONITOR_STREAM + number))
        for end in ("transmitter", "receiver"):
            earlier = self._shown.get(end)
            self._shown[end] = shown if earlier is None else earlier.and_then(shown)
        return block.received

    def _now(self, start: int, number: int) -> Sequence[Conditions]:
        """The conditions of the sub-block: what was injected, and the drift that a wandering link adds."""
        injected = self.course.over(start, start + self._slots)
        if not any(at.wander for at in injected):
            return injected
        before = self._drift.conditions()
        after = self._drift.advance(SUB_BLOCK_SECONDS, stream(self._seed, _DRIFT_STREAM + number))
        many = injected if len(injected) > 1 else injected * MOMENTS
        return [
            at.plus(before.between(after, step / (len(many) - 1)).scaled(at.wander))
            for step, at in enumerate(many)
        ]

    def _bound_memory(self, stop: int, clicks: int) -> None:
        self._recorded.append((stop, clicks))
        if sum(count for _, count in self._recorded) > REMEMBERED_CLICKS:
            self._recorded = self._recorded[len(self._recorded) // 2 :]
            self.memory.forget(self._recorded[0][0])

    def forget(self, before: int) -> None:
        """The transmitter is done with everything before slot `before`."""
        self._recorded = [entry for entry in self._recorded if entry[0] > before]
        self.memory.forget(before)

    def monitored(self, end: str) -> frames.Frame:
        """What an end's monitors showed since it last asked; `module` is null where no time has passed."""
        shown = self._shown.pop(end, None)
        if shown is None:
            return {"type": "monitored", "module": b"null", "line": b"null"}
        module = document(shown.transmitter if end == "transmitter" else shown.receiver)
        return {
            "type": "monitored", "module": json.dumps(module).encode(),
            "line": json.dumps(document(shown.line)).encode(),
        }  # fmt: skip

    def inject(self, frame: frames.Frame) -> frames.Frame:
        """Change the conditions; the answer names them, or the cause of the refusal."""
        try:
            fault = str(frame.get("fault", ""))
            given = _parameters(frame.get("parameters"))
            severity = _severity(fault, given)
            span = _number("over", given.get("over", "0")) * self.link.clock
            if not 0 <= span <= 1e18:
                raise _wrong(fault, "over", "seconds, 0 or more")
            self.course = self.course.inject(
                fault, severity, self._number * self._slots, round(span),
                basis=_choice(Basis, fault, given.get("basis", Basis.RANDOM)),
                light=_choice(Light, fault, given.get("light", Light.KEPT)),
            )  # fmt: skip
        except LinkError as error:
            return {"cause": error.cause, "code": error.code}
        now = self.conditions
        return {
            "fault": fault, "cut": now.cut > 0, "bend": repr(now.bend), "drift": repr(now.drift),
            "intercept": repr(now.intercept), "severities": _severities(now),
        }  # fmt: skip


_Words = TypeVar("_Words", Basis, Light)


def _parameters(given: object) -> dict[str, str]:
    """The parameters of a fault as text; none where the sender gave no mapping."""
    return {str(name): str(value) for name, value in given.items()} if isinstance(given, dict) else {}


def _severity(fault: str, given: dict[str, str]) -> float:
    """The severity under its own name or under that of the fault's option; some faults have a usual one."""
    for name in ("severity", _PARAMETERS.get(fault)):
        if name in given:
            return _number(fault, given[name])
    if fault in CAUSES and fault not in _WHOLE:
        raise _wrong(fault, _PARAMETERS.get(fault, "severity"), "NUMBER")
    return 1.0


def _number(what: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise _wrong(what, text[:20], "a number") from None
    if not math.isfinite(number):
        raise _wrong(what, text[:20], "a finite number")
    return number


def _choice(kind: type[_Words], fault: str, text: str) -> _Words:
    try:
        return kind(text)
    except ValueError:
        raise _wrong(fault, kind.__name__.lower(), ", ".join(kind)) from None


def _wrong(fault: str, name: str, wanted: str) -> LinkError:
    return LinkError("Q-LINK-003", f"fault {fault[:40]} needs {name} as {wanted}", f"add --{name} {wanted}")


def _severities(now: Conditions) -> frames.Frame:
    """Every severity that is not zero, by cause."""
    found = {cause.name: getattr(now, cause.field) for cause in CAUSES.values()}
    return {name: repr(float(value)) for name, value in found.items() if value}


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
        if frame.get("type") == "monitor":
            await channel.send(optics.monitored("transmitter"))
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
        if frame.get("type") == "monitor":
            await channel.send(optics.monitored("receiver"))
            continue
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
    model = link_parameters(load(estate_file), link)
    simulate(model, 0, 1, stream(0, 0))  # compiles, or reads the compiled kernels, before anybody waits
    servers = await serve(Optics(model, drawn, clock, first), state)
    announce(state, {})
    await stop.wait()
    for server in servers:
        server.close()


def main(estate_file: Path, link: str, state: Path, seed: int | None = None) -> None:
    """Entry of the process."""
    process.harden()
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    keep_kernels(state)
    process.run_until_signalled(lambda stop: run_optics(estate_file, link, state, seed, stop))
