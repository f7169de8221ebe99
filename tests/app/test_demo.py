"""What the demo sees of its run: nothing is counted while a node does not answer."""

import asyncio

import pytest

from qorridor.app import demo as module
from qorridor.app.demo import Demo
from qorridor.base.errors import OutsideError
from qorridor.estate.read import parse
from tests.app.test_demo_service import demo_text

LINK = {"aborted": 2, "abort_cause": "qber"}
END = {"state": "HYBRID", "cause": "", "epoch": 3, "rolls": 2, "left": 7}


class Nodes:
    """A run whose nodes answer as they are told; `deaf` of them do not, for some looks."""

    estate = parse(demo_text())

    def __init__(self, deaf, looks):
        self._deaf, self._left = deaf, looks

    async def status(self, site):
        if site == self._deaf and self._left:
            self._left -= 1
            return None
        return {"corridors": [END], "links": [LINK], "keys": {"site": site}}


@pytest.mark.parametrize("deaf", ["london", "hayes", "slough"])
def test_a_look_waits_for_every_node(tmp_path, monkeypatch, deaf):
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    shown = Demo(tmp_path / "run", print)
    shown.run = Nodes(deaf, 3)
    assert asyncio.run(shown.moment()) is None
    now = asyncio.run(shown.look())
    assert set(now.statuses) == {"london", "hayes", "slough"}
    assert (now.aborted, now.abort_causes) == (6, ("qber",))


def test_a_node_that_never_answers_is_an_error_with_a_code(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    shown = Demo(tmp_path / "run", print)
    shown.run = Nodes("hayes", 10**6)
    with pytest.raises(OutsideError) as late:
        asyncio.run(shown.look())
    assert late.value.code == "Q-KME-061"
