import asyncio
from dataclasses import replace

import pytest

from qorridor.adapters.wire import frames
from qorridor.app import link_pool, link_session
from qorridor.app.link_session import LinkSession
from qorridor.base.errors import LinkError, OutsideError
from qorridor.base.secret import Secret
from tests.app.link_bench import QUICK, Hall, duplex, state


@pytest.fixture(autouse=True)
def _loopback_only(socket_enabled):
    """Unix sockets."""


async def meet(states, modules, secret=b"one"):
    sessions = [LinkSession(*parts) for parts in zip(states, duplex(secret), modules, strict=True)]
    ends = await asyncio.gather(*(session.open() for session in sessions))
    flows = [asyncio.create_task(session.say_flow()) for session in sessions]
    return sessions, ends, flows


async def part(sessions, flows):
    for flow in flows:
        flow.cancel()
    await asyncio.gather(*flows, return_exceptions=True)
    for session in sessions:
        await session.close()


async def blocks(sessions, ends):
    return await asyncio.gather(*(s.block(e) for s, e in zip(sessions, ends, strict=True)))


def test_two_ends_distil_equal_keys_block_after_block(tmp_path):
    async def body():
        states = [state(site, tmp_path) for site in ("london", "hayes")]
        async with Hall(tmp_path) as hall:
            sessions, ends, flows = await meet(states, hall.modules)
            for number in range(2):
                left, right = await blocks(sessions, ends)
                assert left.released
                assert left.key == right.key
                assert left.sequence == number
                how = "computational" if number == 0 else "information-theoretic"
                assert str(left.record["authentication"]).startswith(how)
            assert ends[0].auth.state == ends[1].auth.state == (2, 4, 4)
            await part(sessions, flows)

    asyncio.run(body())


async def two_blocks(states, hall, secret=b"one"):
    """Meet, distil twice, part; the ends as they were."""
    sessions, ends, flows = await meet(states, hall.modules, secret)
    for _ in range(2):
        left, right = await blocks(sessions, ends)
        assert left.released
        assert left.key == right.key
    await part(sessions, flows)
    return ends


def restarted(tmp_path, *sites):
    """New processes of these sites over what the old ones left on disk."""
    return [state(site, tmp_path) for site in sites]


@pytest.mark.parametrize("who", [("london",), ("hayes",), ("london", "hayes")])
def test_a_restarted_end_goes_on_with_the_links_own_key(tmp_path, who):
    async def body():
        states = restarted(tmp_path, "london", "hayes")
        async with Hall(tmp_path) as hall:
            before = (await two_blocks(states, hall))[0].auth.state
            states = [restarted(tmp_path, end.site)[0] if end.site in who else end for end in states]
            sessions, ends, flows = await meet(states, hall.modules, b"another connection")
            assert ends[0].auth.state == ends[1].auth.state == before
            left, right = await blocks(sessions, ends)
            assert left.key == right.key
            for outcome in (left, right):
                assert str(outcome.record["authentication"]).startswith("information-theoretic")
            await part(sessions, flows)
        for site in ("london", "hayes"):
            for name in ("pool", "pool-index"):
                assert (tmp_path / site / name).stat().st_mode & 0o077 == 0

    asyncio.run(body())


def test_values_that_were_used_before_a_crash_are_never_used_again(tmp_path):
    async def body():
        states = restarted(tmp_path, "london", "hayes")
        async with Hall(tmp_path) as hall:
            ends = await two_blocks(states, hall)
            generation, down, up = ends[0].auth.state
            for _ in range(3):
                ends[0].auth.sign(b"lost with the process")
            states = restarted(tmp_path, "london", "hayes")
            with (tmp_path / "london" / "pool-index").open("a") as cut:
                cut.write("transmitter-receiver")  # a crash in the middle of a line
            sessions, again, flows = await meet(states, hall.modules, b"two")
            assert again[0].auth.state == again[1].auth.state == (generation, down + 3, up)
            left, right = await blocks(sessions, again)
            assert left.key == right.key
            await part(sessions, flows)

    asyncio.run(body())


@pytest.mark.parametrize("ahead", ["london", "hayes"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_refill_that_only_one_end_made_is_taken_back(tmp_path, ahead, restart):
    async def body():
        states = restarted(tmp_path, "london", "hayes")
        async with Hall(tmp_path) as hall:
            ends = await two_blocks(states, hall)
            common = ends[0].auth.state
            lone = states[ahead == "hayes"]
            lone.endpoint.auth.refill(Secret(bytes(64)))
            lone.keep()
            states = restarted(tmp_path, "london", "hayes") if restart else states
            sessions, again, flows = await meet(states, hall.modules, b"two")
            assert again[0].auth.state == again[1].auth.state == common
            left, right = await blocks(sessions, again)
            assert left.key == right.key
            await part(sessions, flows)

    asyncio.run(body())


@pytest.mark.parametrize("damage", [b"", b"\x83", b"no pool", None])
def test_a_pool_that_cannot_be_read_is_begun_afresh_at_both_ends(tmp_path, damage):
    async def body():
        states = restarted(tmp_path, "london", "hayes")
        async with Hall(tmp_path) as hall:
            await two_blocks(states, hall)
            file = tmp_path / "hayes" / "pool"
            file.write_bytes(file.read_bytes()[:-1] if damage is None else damage)
            states = restarted(tmp_path, "london", "hayes")
            sessions, ends, flows = await meet(states, hall.modules, b"two")
            assert ends[0].auth.state == ends[1].auth.state == (0, 0, 0)
            left, right = await blocks(sessions, ends)
            assert left.key == right.key
            assert str(left.record["authentication"]).startswith("computational")
            await part(sessions, flows)

    asyncio.run(body())


def test_a_disk_that_takes_no_pool_costs_no_block(tmp_path, monkeypatch, caplog):
    def full(path, data):
        raise OutsideError("Q-KME-040", f"cannot write {path}: no space left", "free space", str(path))

    async def body():
        states = restarted(tmp_path, "london", "hayes")
        async with Hall(tmp_path) as hall:
            monkeypatch.setattr(link_pool, "write_atomically", full)
            await two_blocks(states, hall)

    asyncio.run(body())
    assert "is not kept" in caplog.text


@pytest.mark.requirement("A-21")
def test_an_eavesdropper_aborts_the_block_at_both_ends_and_the_pool_lives_on(tmp_path):
    async def body():
        states = [state(site, tmp_path) for site in ("london", "hayes")]
        async with Hall(tmp_path) as hall:
            sessions, ends, flows = await meet(states, hall.modules)
            await blocks(sessions, ends)
            before = ends[0].auth.state
            hall.optics.conditions = hall.optics.conditions.after("intercept", 0.4)
            left, right = await blocks(sessions, ends)
            assert left.key is right.key is None
            assert {left.cause, right.cause} <= {"no-key", "peer-aborted"}
            await part(sessions, flows)
            hall.optics.conditions = hall.optics.conditions.after("clear")
            await hall.modules[1].collect(400_000)
            sessions, again, flows = await meet(states, hall.modules, b"another connection")
            assert again[0] is ends[0]
            assert again[0].auth.state == again[1].auth.state == before
            left, right = await blocks(sessions, again)
            assert left.key == right.key
            assert left.released
            assert left.sequence == 1
            await part(sessions, flows)

    asyncio.run(body())


def test_ends_that_lost_their_pool_bootstrap_a_new_one_and_keep_the_larger_sequence(tmp_path):
    async def body():
        left, right = state("london", tmp_path), state("hayes", tmp_path)
        async with Hall(tmp_path) as hall:
            sessions, ends, flows = await meet([left, right], hall.modules)
            await blocks(sessions, ends)
            await part(sessions, flows)
            for file in ("pool", "pool-index"):
                (tmp_path / "hayes" / file).unlink()
            fresh = state("hayes", tmp_path)
            sessions, ends, flows = await meet([left, fresh], hall.modules, b"two")
            assert ends[0].auth.state == ends[1].auth.state == (0, 0, 0)
            assert ends[1].sequence == 1
            one, two = await blocks(sessions, ends)
            assert one.key == two.key
            assert one.sequence == two.sequence == 1
            await part(sessions, flows)

    asyncio.run(body())


def test_a_lost_connection_in_mid_block_is_an_abort_at_both_ends(tmp_path):
    async def body():
        states = [state(site, tmp_path, replace(QUICK, n_key=1_000_000)) for site in ("london", "hayes")]
        async with Hall(tmp_path) as hall:
            sessions, ends, flows = await meet(states, hall.modules)
            running = asyncio.create_task(blocks(sessions, ends))
            await asyncio.sleep(0.6)
            sessions[0]._wire.close()
            left, right = await asyncio.wait_for(running, 20)
            assert left.key is right.key is None
            await part(sessions, flows)

    asyncio.run(body())


def test_a_pair_pauses_while_one_node_wants_no_key(tmp_path):
    async def body():
        states = [state(site, tmp_path) for site in ("london", "hayes")]
        states[1].wanted.clear()
        async with Hall(tmp_path) as hall:
            sessions, ends, flows = await meet(states, hall.modules)
            running = asyncio.create_task(blocks(sessions, ends))
            await asyncio.sleep(0.5)
            assert hall.optics._number == 0
            states[1].wanted.set()
            left, right = await asyncio.wait_for(running, 20)
            assert left.key == right.key
            await part(sessions, flows)

    asyncio.run(body())


def test_an_end_of_another_link_is_refused(tmp_path):
    async def body():
        other = replace(QUICK, names=replace(QUICK.names, link="hayes-slough"))
        states = [state("london", tmp_path), state("hayes", tmp_path, other)]
        sessions = [LinkSession(s, wire, None) for s, wire in zip(states, duplex(), strict=True)]
        results = await asyncio.gather(*(session.open() for session in sessions), return_exceptions=True)
        assert all(isinstance(result, LinkError) and result.code == "Q-LINK-020" for result in results)

    asyncio.run(body())


def test_a_cut_fibre_ends_the_block_when_patience_ends(tmp_path):
    async def body():
        states = [state(site, tmp_path) for site in ("london", "hayes")]
        for end in states:
            end.patience = 0.5
        async with Hall(tmp_path) as hall:
            hall.optics.conditions = hall.optics.conditions.after("cut")
            sessions, ends, flows = await meet(states, hall.modules)
            left, right = await asyncio.wait_for(blocks(sessions, ends), 10)
            assert left.key is right.key is None
            assert right.cause == "no-key"
            assert "detections" in right.record["abort_text"]
            await part(sessions, flows)

    asyncio.run(body())


def test_an_end_stops_at_once_whatever_it_is_waiting_for(tmp_path):
    async def body():
        states = [state(site, tmp_path, replace(QUICK, n_key=1_000_000)) for site in ("london", "hayes")]
        for moment in (0.0, 0.05, 0.4, 1.0):
            async with Hall(tmp_path) as hall:
                sessions, ends, flows = await meet(states, hall.modules, str(moment).encode())
                running = [asyncio.create_task(s.block(e)) for s, e in zip(sessions, ends, strict=True)]
                await asyncio.sleep(moment)
                for task in running:
                    task.cancel()
                done, left = await asyncio.wait(running, timeout=5)
                assert not left
                assert all(task.cancelled() for task in done)
                await part(sessions, flows)

    asyncio.run(body())


WRONG = [
    {"sequence": "abc"}, {"sequence": None}, {"sequence": -1}, {"sequence": 2**64 - 1}, {"sequence": True},
    {"pool": "text"}, {"generation": b"1"}, {"down": 2**60}, {"up": []},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_greeting_in_another_form_is_refused_and_changes_nothing(tmp_path, wrong):
    async def body():
        made = state("london", tmp_path)
        mine, theirs = duplex()
        session = LinkSession(made, mine, None)
        meeting = asyncio.create_task(session.open())
        await frames.read_frame(theirs)
        told = {"type": "meet", "site": "hayes", "link": "london-hayes", "pool": b"", "generation": 0, "down": 0,
                "up": 0, "sequence": 0, "undo": False}  # fmt: skip
        told = {name: value for name, value in (told | wrong).items() if value is not None}
        await theirs.write(frames.pack(told))
        with pytest.raises(LinkError) as refused:
            await meeting
        assert refused.value.code == "Q-LINK-020"
        assert made.sequence == 0
        assert made.endpoint is None
        await session.close()

    asyncio.run(body())


def test_messages_that_nobody_asked_for_are_not_collected(tmp_path):
    async def body():
        states = [state(site, tmp_path) for site in ("london", "hayes")]
        async with Hall(tmp_path) as hall:
            sessions, _ends, flows = await meet(states, hall.modules)
            for _ in range(100):
                await sessions[1]._send({"type": "m", "body": bytes(1000)})
            await asyncio.sleep(0.2)
            assert sessions[0]._inbox.qsize() <= link_session.INBOX
            await part(sessions, flows)

    asyncio.run(body())


@pytest.mark.parametrize("written", [0, 5])
def test_an_index_that_cannot_be_written_whole_lets_no_value_be_used(tmp_path, monkeypatch, written):
    """A full disk takes a part of a line without an error."""
    files = link_pool.PoolFiles(tmp_path)
    files.note("transmitter-receiver", 7)
    monkeypatch.setattr(link_pool.os, "write", lambda handle, data: written)
    with pytest.raises(OSError, match="could not be written whole"):
        files.note("transmitter-receiver", 8)
    files.close()


def test_a_line_that_a_crash_cut_short_swallows_no_later_one(tmp_path):
    files = link_pool.PoolFiles(tmp_path)
    files.note("transmitter-receiver", 7)
    with (tmp_path / "pool-index").open("a") as cut:
        cut.write("transmitter-rec")
    files.note("transmitter-receiver", 9)
    assert files._used() == {"transmitter-receiver": 9}
    files.close()
