"""Where a node's keys lie and what wraps them: as the estate says, or refused; never silently weaker."""

from __future__ import annotations

from pathlib import Path

from qorridor.base.errors import PolicyRefusal
from qorridor.estate.drivers import SqliteStore
from qorridor.estate.model import Estate
from qorridor.records.events import Event

_OWN = "root.key"


def root_key_file(estate: Estate, state: Path, *, loopback: bool) -> tuple[Path, list[Event]]:
    """The file of the root key, and what the journal must say about it.

    A run on loopback makes its own root key whatever the estate names, and says so. Elsewhere the
    estate's `file:` is used, and a driver that this version lacks is refused: PolicyRefusal Q-POLICY-031.
    """
    settings = estate.store.keys if estate.store is not None else None
    if settings is None:
        return state / _OWN, []
    wanted = getattr(settings, "root_key", None) or ""
    if loopback:
        event = Event(
            "config.root-key", "store", {"estate": wanted, "used": "a file made for this run"}, severity="P4"
        )
        return state / _OWN, [event]
    if not isinstance(settings, SqliteStore) or (wanted and not wanted.startswith("file:")):
        raise PolicyRefusal(
            "Q-POLICY-031", f"the estate keeps keys in {settings.driver} under {wanted or 'no root key'}, "
            "which this version cannot do", 'write keys = { driver = "sqlite", root_key = "file:PATH" }', estate.source,
        )  # fmt: skip
    return (Path(wanted.removeprefix("file:")) if wanted else state / _OWN), []
