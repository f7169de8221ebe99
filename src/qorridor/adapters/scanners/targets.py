"""End points that a scan names: `host:port,port` and `network/bits:port`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from qorridor.base.errors import ScanError

MOST = 65_536


class Endpoint(NamedTuple):
    """A host name or address and a port."""

    host: str
    port: int

    @property
    def locator(self) -> str:
        """`tls://host:port`, an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tls://{host}:{self.port}"


def _hosts(text: str) -> Iterator[str]:
    if "/" not in text:
        yield text.strip("[]")
        return
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ScanError("Q-SCAN-001", f"{error}", "correct the target in the estate", text) from None
    yield from (str(host) for host in network.hosts())


def expand(targets: Iterable[str]) -> list[Endpoint]:
    """All end points of the targets, each once, in order; raises ScanError for more than 65 536."""
    found: dict[Endpoint, None] = {}
    for target in targets:
        hosts, _, ports = target.rpartition(":")
        for host in _hosts(hosts):
            found |= {Endpoint(host, int(port)): None for port in ports.split(",")}
            if len(found) > MOST:
                raise ScanError(
                    "Q-SCAN-002", f"the targets name more than {MOST} end points", "split the scan", target
                )
    return list(found)
