"""`qorridor tunnel FLOW`: one end of a TLS external-PSK tunnel; its node gives it keys and takes them away."""

from __future__ import annotations

import asyncio
from pathlib import Path

from qorridor.adapters.encryptors.trunk import Entry, Exit
from qorridor.adapters.wire import frames
from qorridor.app import process
from qorridor.app.estate_file import load
from qorridor.app.run_folder import BOOK, AddressBook, announce, own_port, port_before, split_address
from qorridor.base.errors import EstateError, OutsideError, QorridorError
from qorridor.base.secret import Secret
from qorridor.estate.drivers import TlsTunnel
from qorridor.estate.model import Estate

CONTROL = "tunnel.sock"


def tunnel_settings(estate: Estate, flow: str) -> TlsTunnel:
    """The `tls-tunnel` settings of a flow; raises EstateError Q-ESTATE-021 when it has another driver."""
    settings = estate.flows[flow].protected_by if flow in estate.flows else None
    if not isinstance(settings, TlsTunnel):
        raise EstateError(
            "Q-ESTATE-021", f"the flow {flow} is not protected by a tls-tunnel",
            'write protected_by = { driver = "tls-tunnel", listen = "…", forward = "…" }', estate.source,
        )  # fmt: skip
    return settings


async def _answer(end: Entry | Exit, frame: frames.Frame) -> frames.Frame:
    """One call of the node (contract of encryptors, section 1)."""
    epoch = frame.get("epoch")
    number = epoch if isinstance(epoch, int) else 0
    match frame.get("call"):
        case "prepare":
            key = frame.get("key")
            await end.prepare(number, Secret(key if isinstance(key, bytes) else b""))
        case "commit":
            await end.commit(number, "switch" if frame.get("step") == "switch" else "accept")
        case "rollback":
            await end.rollback(number)
        case "retire":
            end.retire(number)
        case "kill":
            end.kill()
        case "probe":
            used = end.in_use()
            return {"epoch": used.epoch, "evidence": used.evidence}
        case other:
            raise OutsideError("Q-ENC-007", f"no call {other!r}", "node and tunnel must be of one version")
    return {"done": True}


async def run_tunnel(
    estate_file: Path, flow: str, site: str, state: Path, bind: str, stop: asyncio.Event
) -> None:
    """Serve one tunnel end until `stop`: entry at the flow's origin, exit at its destination."""
    estate = load(estate_file)
    settings = tunnel_settings(estate, flow)
    corridor = next(iter(estate.corridors_of(flow)), flow)
    name = f"tunnel/{flow}/{site}"
    end: Entry | Exit
    if site == estate.flows[flow].destination:
        end = Exit((corridor, flow), *split_address(settings.forward))
        server = await end.listen(bind, own_port(estate, state, name, bind))
    else:
        book = AddressBook(BOOK, estate)
        end = Entry((corridor, flow), lambda: book.find(f"tunnel/{flow}/{estate.flows[flow].destination}"))
        host, port = split_address(settings.listen)
        server = await end.listen(host, port or port_before(state, name, host))

    async def control(channel: frames.Channel) -> None:
        while (frame := await channel.receive()) is not None:
            try:
                answer = await _answer(end, frame)
            except QorridorError as error:
                answer = {"code": error.code, "cause": error.cause, "remedy": error.remedy}
            await channel.send(answer)

    sockets = await frames.serve_unix(state / CONTROL, control)
    host, port = server.sockets[0].getsockname()[:2]
    announce(state, {name: f"{host}:{port}"})
    await stop.wait()
    end.kill()
    server.close()
    sockets.close()


def main(estate_file: Path, flow: str, site: str, state: Path, bind: str) -> None:
    """Entry of the process."""
    process.harden()
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    process.run_until_signalled(lambda stop: run_tunnel(estate_file, flow, site, state, bind, stop))
