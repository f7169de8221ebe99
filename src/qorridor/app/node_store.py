"""Where a node's keys lie and what wraps them: as the estate says, or refused; never silently weaker."""

from __future__ import annotations

from pathlib import Path

from qorridor.adapters.stores.sealing import root_sealer
from qorridor.adapters.stores.sqlite import SqliteStore as Store
from qorridor.base.errors import OutsideError, PolicyRefusal
from qorridor.estate.drivers import SqliteStore
from qorridor.estate.model import Estate
from qorridor.ports.world import Clock
from qorridor.records.events import Event

_OWN = "root.key"


def open_store(state: Path, root_key: Path, clock: Clock, site: str, journalled: int) -> Store:
    """The key store of a node under its root key, which is made with the store and never after it.

    Raises OutsideError Q-KEY-041 for a store whose root key is gone, and as the store itself does.
    """
    if not root_key.is_file() and (state / "keys.db").exists():
        raise OutsideError(
            "Q-KEY-041", "the key store is here and its root key is not", "restore the root key, or begin a new "
            "store: move keys.db*, epochs/ and incarnation away", str(root_key),
        )  # fmt: skip
    return Store(state, root_sealer(root_key), clock, site, journalled=journalled)


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
