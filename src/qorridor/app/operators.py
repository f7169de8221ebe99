"""What an operator of a run reads: each node's status over mutual TLS, with the run's operator certificate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from qorridor.adapters.wire import contexts, http
from qorridor.app.enrolment import Pki
from qorridor.app.run_folder import BOOK, AddressBook
from qorridor.app.supervisor import operator_client
from qorridor.base.errors import OutsideError

Status = dict[str, Any]


class Operator:
    """Reads the nodes of a run; `async with` closes its connections."""

    def __init__(self, run: Path) -> None:
        self.run = run
        pki = Pki(run / "operator" / "pki")
        if not pki.is_enrolled:
            raise OutsideError(
                "Q-KME-054", "the run holds no operator certificate",
                "wait until `qorridor run` has started its nodes", str(run),
            )  # fmt: skip
        self._context = contexts.mutual_client(pki.credentials("ecdsa-p256"), pki.trust("node"))
        self._book = AddressBook(run / BOOK)
        self._clients: dict[str, http.Client] = {}

    async def __aenter__(self) -> Operator:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            client.close()

    @property
    def sites(self) -> list[str]:
        """Sites whose node the address book knows, sorted."""
        return sorted(
            name.removeprefix("operator/") for name in self._names() if name.startswith("operator/")
        )

    def _names(self) -> Mapping[str, str]:
        return self._book.entries() if self._book.file.is_file() else {}

    async def status(self, site: str) -> Status | None:
        """One node's status; None while it does not answer."""
        if site not in self._clients:
            self._clients[site] = operator_client(self._book, site, self._context)
        try:
            response = await self._clients[site].request("GET", "/operator/v1/status")
            return dict(json.loads(response.body)) if response.status == 200 else None
        except (OutsideError, ValueError):
            return None

    async def statuses(self) -> dict[str, Status | None]:
        """All nodes at once, each by its site."""
        sites = self.sites
        return dict(zip(sites, await asyncio.gather(*map(self.status, sites)), strict=True))
