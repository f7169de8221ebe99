"""What every face tells the journal of an SAE that wants more than it may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from qorridor.records.events import Event
from qorridor.run.admission import Admission


async def tell_limited(
    record: Callable[[Event], Awaitable[None]], admission: Admission, sae: str, limit: str, now: float
) -> None:
    """Journal that `sae` has reached its `limit` (requests, keys or connections), once a minute; `now` in seconds."""
    more = admission.to_tell(sae, limit, now)
    if more is not None:
        await record(Event("kme.limited", sae, {"limit": limit, "more": more}, severity="P4"))
