"""The simulated QKD module of one link end: what a vendor's module would be, spoken to over a socket.

The optics process stands behind the socket; the end learns its own half only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from qorridor.adapters.wire import frames
from qorridor.base.errors import LinkError
from qorridor.distill.bits import Bits, Places
from qorridor.distill.channel import Recalled, Received


class SimulatedModule:
    """Either half of a module; raises LinkError Q-LINK-019 when the optics process is gone."""

    def __init__(self, channel: frames.Channel) -> None:
        self._channel = channel

    @classmethod
    async def dial(cls, folder: Path, end: str) -> SimulatedModule:
        """Connect to the half `end` ("transmitter" or "receiver") below the optics' state folder."""
        return cls(await frames.dial_unix(folder / f"{end}.sock"))

    async def collect(self, count: int) -> Received:
        """The receiver's next `count` detections."""
        await self._channel.send({"type": "collect", "count": count})
        slots: list[Places] = []
        bases: list[Bits] = []
        clicks: list[Bits] = []
        while True:
            frame = await self._answer("detections")
            slots.append(np.frombuffer(_bytes(frame, "slots"), "<i8").astype(np.int64))
            bases.append(np.frombuffer(_bytes(frame, "bases"), np.uint8))
            clicks.append(np.frombuffer(_bytes(frame, "clicks"), np.uint8))
            if frame["last"] is True:
                return Received(np.concatenate(slots), np.concatenate(bases), np.concatenate(clicks))

    async def recall(self, slots: Places) -> Recalled:
        """What the transmitter sent in `slots`; LinkError Q-LINK-004 when it does not know them."""
        await self._channel.send({"type": "recall", "slots": slots.astype("<i8").tobytes()})
        frame = await self._answer("recalled")
        intensities, bases, bits = (
            np.frombuffer(_bytes(frame, name), np.uint8) for name in ("intensities", "bases", "bits")
        )
        return Recalled(intensities, bases, bits)

    async def forget(self, before: int) -> None:
        """Let the transmitter's memory drop everything before slot `before`."""
        await self._channel.send({"type": "forget", "before": before})

    async def monitored(self) -> dict[str, Any]:
        """What the monitors of this end's module and of the line show since the last question: `module` and
        `line`, both None where no time has passed."""
        await self._channel.send({"type": "monitor"})
        frame = await self._answer("monitored")
        return {name: json.loads(_bytes(frame, name)) for name in ("module", "line")}

    async def close(self) -> None:
        """Close the socket."""
        await self._channel.close()

    async def _answer(self, kind: str) -> frames.Frame:
        frame = await self._channel.receive()
        if frame is not None and frame.get("type") == "refused":
            raise LinkError("Q-LINK-004", str(frame["cause"]), "abort the block; the next one starts afresh")
        if frame is None or frame.get("type") != kind:
            raise LinkError(
                "Q-LINK-019",
                "the QKD module of this end does not answer",
                "start `qorridor optics LINK` again",
            )
        return frame


def _bytes(frame: frames.Frame, name: str) -> bytes:
    value = frame.get(name)
    if not isinstance(value, bytes):
        raise LinkError("Q-LINK-019", f"the module's answer has no {name}", "run one version everywhere")
    return value
