"""Agreement and relay between real nodes: mutual TLS, SQLite, the product's own peer calls."""

import asyncio
import dataclasses
import itertools
import json

import pytest

from qorridor.base.errors import KeySupplyError, OutsideError, PolicyRefusal
from qorridor.ports.key_store import Keep
from qorridor.records.events import Event
from qorridor.run.agreement import BlockKeys
from qorridor.run.registry import Registry, SaeEntry
from tests.support.loop import run
from tests.support.nodes import Net, block

OTHER = "00000000-0000-4000-8000-000000000002"


async def both_ends(net, count=1, size=256, target_site="hayes", path=()):
    """Keys as the initiator gets them and as the target fetches them."""
    near = await net.managers["london"].supply("a", "b", target_site, count, size, path=path)
    far = await net.managers[target_site].collect("b", "a", [key.key_id for key in near])
    return near, far


def check_balance(before, after):
    """ingested = available + reserved + bound + delivered + void, and nothing was made of nothing."""
    for site, counts in after.items():
        parts = dataclasses.astuple(counts)
        assert counts.ingested == sum(parts[1:]), site
        assert counts.ingested == before[site].ingested, site


@pytest.mark.parametrize("size", [64, 256, 264, 1024])
def test_neighbours_hand_out_equal_keys_c17(organisation, folder, size):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            before = await net.counts()
            near, far = await both_ends(net, 3, size)
            assert [key.key for key in near] == [key.key for key in far]
            assert {len(key.key) for key in near} == {size // 8}
            assert len({bytes(key.key.reveal()) for key in near}) == 3
            assert all(key.simulated for key in near + far)
            after = await net.counts()
            check_balance(before, after)
            atoms = 3 * -(-size // 256)
            assert after["london"].delivered == after["hayes"].delivered == atoms * 256

    run(main())


@pytest.mark.parametrize("size", [64, 256, 512])
def test_a_key_is_relayed_through_a_trusted_node_and_equal_at_both_ends(organisation, folder, size):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            before = await net.counts()
            near, far = await both_ends(net, 2, size, "slough")
            assert [key.key for key in near] == [key.key for key in far]
            assert near[0].path == far[0].path == ("london", "hayes", "slough")
            assert all(key.simulated for key in near + far)
            after = await net.counts()
            check_balance(before, after)
            cost = (2 * -(-size // 256) + 1) * 256
            assert after["london"].delivered == after["slough"].delivered == cost
            assert after["hayes"].delivered == 2 * cost
            with pytest.raises(KeySupplyError):
                await net.managers["hayes"].collect("b", "a", [near[0].key_id])

    run(main())


def test_saes_of_one_site_share_a_key_without_any_link(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            near, far = await both_ends(net, 2, 256, "london")
            assert [key.key for key in near] == [key.key for key in far]
            assert not any(key.simulated for key in near)

    run(main())


def test_a_key_is_handed_out_once_at_each_end_i1_c19(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            near, _ = await both_ends(net)
            for site, name, first in (("hayes", "b", False), ("london", "a", True)):
                with pytest.raises(KeySupplyError) as error:
                    await net.stores[site].deliver([near[0].key_id], name, as_initiator=first)
                assert error.value.code == "Q-KEY-024"

    run(main())


def test_sixteen_fetches_at_once_give_one_key_c58(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            (key,) = await net.managers["london"].supply("a", "b", "hayes", 1, 256)
            tries = [net.managers["hayes"].collect("b", "a", [key.key_id]) for _ in range(16)]
            results = await asyncio.gather(*tries, return_exceptions=True)
            assert sum(isinstance(result, list) for result in results) == 1
            assert all(isinstance(r, list | KeySupplyError) for r in results)

    run(main())


def test_both_sides_ask_at_once_and_no_key_is_used_twice_c56_c57(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill(atoms=129, sequences=range(4))
            there = [net.managers["london"].supply("a", "b", "hayes", 2, 256) for _ in range(20)]
            back = [net.managers["hayes"].supply("b", "a", "london", 2, 256) for _ in range(20)]
            made = await asyncio.gather(*there, *back)
            keys = [key for some in made for key in some]
            assert len({key.key_id for key in keys}) == len({bytes(k.key.reveal()) for k in keys}) == 80
            for index, some in enumerate(made):
                site, target, initiator = ("hayes", "b", "a") if index < 20 else ("london", "a", "b")
                far = await net.managers[site].collect(target, initiator, [key.key_id for key in some])
                assert [key.key for key in far] == [key.key for key in some]

    run(main())


@pytest.mark.parametrize("target", ["hayes", "slough"])
def test_insufficient_keys_are_an_error_and_the_stock_is_unchanged_c16(organisation, folder, target):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill(atoms=5)
            before = await net.counts()
            with pytest.raises(KeySupplyError) as error:
                await net.managers["london"].supply("a", "b", target, 30, 256)
            assert error.value.code == "Q-KEY-020"
            assert await net.counts() == before

    run(main())


def test_a_far_link_that_is_empty_burns_what_was_begun_and_nothing_is_delivered(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            for site in ("london", "hayes"):
                await net.managers[site].ingest(block("london-hayes", 1))
            before = await net.counts()
            with pytest.raises(KeySupplyError):
                await net.managers["london"].supply("a", "b", "slough", 1, 256)
            after = await net.counts()
            check_balance(before, after)
            assert after["london"].bound == after["london"].reserved == 0
            assert after["slough"].bound == 0

    run(main())


def test_an_sae_that_a_key_was_not_made_for_is_refused_and_the_key_stays_c27(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            (key,) = await net.managers["london"].supply("a", "b", "hayes", 1, 256)
            with pytest.raises(PolicyRefusal) as refusal:
                await net.managers["hayes"].collect("c", "a", [key.key_id])
            assert refusal.value.code == "Q-POLICY-010"
            (far,) = await net.managers["hayes"].collect("b", "a", [key.key_id])
            assert far.key == key.key

    run(main())


def test_one_good_and_one_unknown_key_id_consume_nothing_c22(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            (key,) = await net.managers["london"].supply("a", "b", "hayes", 1, 256)
            unknown = "00000000-0000-4000-8000-000000000000"
            with pytest.raises(KeySupplyError):
                await net.managers["hayes"].collect("b", "a", [key.key_id, unknown])
            assert await net.managers["hayes"].collect("b", "a", [key.key_id])

    run(main())


def test_a_wrong_hop_tag_is_refused_and_the_pad_is_burnt(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            peer, caught = net.clients["london"]["hayes"], []
            relay = peer.relay

            async def tamper(hop):
                caught.append(hop)
                await relay(dataclasses.replace(hop, tag=bytes(16)))

            peer.relay = tamper
            before = await net.counts()
            with pytest.raises(KeySupplyError) as error:
                await net.managers["london"].supply("a", "b", "slough", 1, 256)
            assert error.value.code == "Q-KEY-030"
            after = await net.counts()
            check_balance(before, after)
            assert after["london"].delivered == after["hayes"].delivered == 2 * 256, (
                "the pad is gone at both ends"
            )
            assert after["slough"].bound == 0
            for txid, code in ((caught[0].txid, "Q-KEY-026"), (OTHER, "Q-KEY-023")):
                with pytest.raises(KeySupplyError) as error:
                    await relay(dataclasses.replace(caught[0], txid=txid))  # the right tag comes too late
                assert error.value.code == code

    run(main())


@pytest.mark.parametrize("name", ["txid", "cipher", "simulated", "count", "target"])
def test_no_field_of_a_hop_can_be_changed_on_the_way(organisation, folder, name):
    def changed(hop):
        match name:
            case "txid":
                return dataclasses.replace(hop, txid="00000000-0000-4000-8000-000000000000")
            case "cipher":
                key = hop.keys[0]
                spoilt = dataclasses.replace(key, cipher=bytes([key.cipher[0] ^ 1]) + key.cipher[1:])
                return dataclasses.replace(hop, keys=(spoilt,))
            case "simulated":
                return dataclasses.replace(hop, simulated=not hop.simulated)
            case "count":
                return dataclasses.replace(hop, count=hop.count + 1)
        association = dataclasses.replace(hop.association, targets=("thief",))
        return dataclasses.replace(hop, association=association)

    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            peer = net.clients["london"]["hayes"]
            relay = peer.relay
            peer.relay = lambda hop: relay(changed(hop))
            with pytest.raises(KeySupplyError) as error:
                await net.managers["london"].supply("a", "b", "slough", 1, 256)
            assert error.value.code == "Q-KEY-030"
            assert (await net.counts())["slough"].bound == 0

    run(main())


def test_two_ends_that_hold_different_bits_never_deliver_them(organisation, folder):
    async def main():
        async with Net(organisation, folder, {"london-hayes": ("london", "hayes")}) as net:
            good, bad = block("london-hayes", 1), block("london-hayes", 1)
            bad.key._bytes[40] ^= 1
            await net.managers["london"].ingest(good)
            await net.managers["hayes"].ingest(bad)
            with pytest.raises(KeySupplyError) as error:
                await net.managers["london"].supply("a", "b", "hayes", 1, 256)
            assert error.value.code == "Q-KEY-025"
            for counts in (await net.counts()).values():
                assert counts.available == counts.delivered == counts.bound == 0, "the whole block is burnt"
                assert counts.void == counts.ingested

    run(main())


def test_a_neighbour_out_of_reach_is_an_error_and_the_key_is_burnt(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            await net.clients["london"]["hayes"].hello()
            before = await net.counts()
            net.break_wire("london", "hayes")
            with pytest.raises(OutsideError) as error:
                await net.managers["london"].supply("a", "b", "hayes", 1, 256)
            assert error.value.code.startswith("Q-KME-04")
            after = await net.counts()
            check_balance(before, after)
            (owed,) = await net.stores["london"].owed()
            assert (owed.peer, owed.cause) == ("hayes", error.value.code), "it will hear of it"
            assert after["london"].void == before["london"].void + 256
            assert after["london"].reserved == after["london"].delivered == 0

    run(main())


def test_a_lost_acknowledgement_burns_the_key_at_both_ends_i4(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            peer = net.clients["london"]["hayes"]
            bind = peer.bind

            async def lose(*arguments):
                await bind(*arguments)
                raise OutsideError("Q-KME-044", "the answer was lost", "none")

            peer.bind = lose
            with pytest.raises(OutsideError):
                await net.managers["london"].supply("a", "b", "hayes", 1, 256)
            for site in ("london", "hayes"):
                counts = (await net.counts())[site]
                assert counts.reserved == counts.bound == counts.delivered == 0
                assert counts.void >= 256

    run(main())


def test_keys_that_nobody_fetches_are_burnt_when_their_time_is_over(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            (key,) = await net.managers["london"].supply("a", "b", "hayes", 1, 256)
            net.clock.time += 170
            await net.managers["hayes"].expire()
            assert (await net.counts())["hayes"].bound == 256, "the target's end waits longer"
            net.clock.time += 20
            await net.managers["hayes"].expire()
            assert (await net.counts())["hayes"].bound == 0
            with pytest.raises(KeySupplyError):
                await net.managers["hayes"].collect("b", "a", [key.key_id])

    run(main())


def test_a_repeated_bind_changes_nothing_and_another_body_is_refused(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            association = net.association("a", "b", "london", "hayes")
            txid = "00000000-0000-4000-8000-000000000001"
            allotments = await net.stores["london"].reserve("london-hayes", association, 2, txid)
            peer = net.clients["london"]["hayes"]
            for _ in range(2):
                await peer.bind("london-hayes", association, allotments, txid)
            assert (await net.counts())["hayes"].bound == 512
            with pytest.raises(KeySupplyError) as error:
                await peer.bind("london-hayes", association, allotments[:1], txid)
            assert error.value.code == "Q-KEY-022"
            with pytest.raises(KeySupplyError) as error:
                await peer.bind("london-hayes", association, allotments, OTHER)
            assert error.value.code == "Q-KEY-023", "no key material in two associations (I3)"

    run(main())


@pytest.mark.parametrize("case", ["owner", "first", "digest", "size", "path", "link"])
def test_a_bind_that_does_not_fit_is_refused_and_binds_nothing(organisation, folder, case):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            association = net.association("a", "b", "london", "hayes")
            txid = "00000000-0000-4000-8000-000000000001"
            (item,) = await net.stores["london"].reserve("london-hayes", association, 1, txid)
            link = "london-hayes"
            match case:
                case "owner":  # a block whose owner is hayes itself
                    own = block("london-hayes", 0)
                    keys = BlockKeys.of(own.key.reveal()[:32])
                    key_id = keys.key_id(link, own.block_id, 1)
                    digest = keys.digest(key_id, association, own.key.reveal()[32:64])
                    item = dataclasses.replace(item, block_id=own.block_id, key_id=key_id, digest=digest)
                case "first":
                    item = dataclasses.replace(item, first=0)
                case "digest":
                    item = dataclasses.replace(item, digest=bytes(32))
                case "size":
                    item = dataclasses.replace(item, count=2)
                case "path":
                    association = dataclasses.replace(association, path=("hayes", "london"))
                case "link":
                    link = "hayes-slough"
            with pytest.raises(KeySupplyError):
                await net.clients["london"]["hayes"].bind(link, association, [item], txid)
            assert (await net.counts())["hayes"].bound == 0

    run(main())


def test_the_supply_of_a_path_is_that_of_its_driest_link(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            for site in ("london", "hayes"):
                await net.managers[site].ingest(block("london-hayes", 1, 65))
            for site in ("hayes", "slough"):
                await net.managers[site].ingest(block("hayes-slough", 0, 9))
            net.clock.time += 7
            supply = await net.managers["london"].path_supply(
                ("london", "hayes", "slough"), 256, relayed=True
            )
            assert (supply.left, supply.silence) == (4, 7.0)
            near = await net.managers["london"].path_supply(("london", "hayes"), 256, relayed=False)
            assert near.left == 64
            assert near.fresh == pytest.approx(64 / 600)

    run(main())


def test_a_block_that_comes_twice_counts_once(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.managers["london"].ingest(block("london-hayes", 1))
            before = await net.counts()
            await net.managers["london"].ingest(block("london-hayes", 1))
            assert await net.counts() == before

    run(main())


async def written(net):
    """Every record of every site's journal, as its store has numbered it."""
    return [
        (site, json.loads(leaf))
        for site, store in net.stores.items()
        for _, leaf in await store.events_after(0, 10**6)
    ]


def labels(records, kind):
    return {(site, record["simulated"]) for site, record in records if record["type"] == kind}


def test_every_record_about_simulated_key_says_so(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            await both_ends(net, 2)
            await both_ends(net, 1, 256, "slough")
            await net.managers["london"].supply("a", "b", "hayes", 1, 256, also=[Event("key.requested", "a")])
            await net.managers["london"].supply("a", "b", "slough", 1, 256)
            net.clock.time += 1000
            for manager in net.managers.values():
                await manager.expire()
            net.clients["london"]["hayes"].relay = unreachable
            with pytest.raises(OutsideError):
                await net.managers["london"].supply("a", "b", "slough", 1, 256)
            net.clients["london"]["hayes"].bind = unreachable
            with pytest.raises(OutsideError):
                await net.managers["london"].supply("a", "b", "hayes", 1, 256)
            return await written(net)

    async def unreachable(*_):
        raise OutsideError("Q-KME-042", "nobody answers", "start it")

    records = run(main())
    kinds = {record["type"] for _, record in records}
    assert kinds == {"key.ingested", "key.delivered", "key.requested", "key.collected", "key.bound", "key.held",
                     "key.expired", "key.void"}  # fmt: skip
    assert [record for _, record in records if not record["simulated"]] == []


@pytest.mark.parametrize("simulated", [("london-hayes",), ("hayes-slough",), ()])
def test_a_relayed_key_is_simulated_at_both_ends_when_any_pad_of_its_path_was(
    organisation, folder, simulated
):
    async def main():
        async with Net(organisation, folder) as net:
            for link, ends in net.links.items():
                for sequence, site in itertools.product((0, 1), ends):
                    await net.managers[site].ingest(block(link, sequence, simulated=link in simulated))
            near, far = await both_ends(net, 1, 256, "slough")
            return near[0].simulated, far[0].simulated, await written(net)

    near, far, records = run(main())
    assert near == far == bool(simulated)
    assert labels(records, "key.delivered") == {("london", bool(simulated))}
    assert labels(records, "key.collected") == labels(records, "key.held") == {("slough", bool(simulated))}


def test_a_real_key_is_not_called_simulated_because_another_of_its_link_was(organisation, folder):
    async def main():
        async with Net(organisation, folder, {"london-hayes": ("london", "hayes")}) as net:
            for site in ("london", "hayes"):
                await net.managers[site].ingest(block("london-hayes", 1, atoms=3, simulated=True))
                await net.managers[site].ingest(block("london-hayes", 3, atoms=3, simulated=False))
            near, _ = await both_ends(net, 4)
            records = await written(net)
            told = {
                record["subject"]: record["simulated"]
                for _, record in records
                if record["type"] == "key.bound"
            }
            return {key.key_id: key.simulated for key in near}, told

    keys, told = run(main())
    assert keys == told
    assert sorted(keys.values()) == [False, False, True, True]


class Sold(Net):
    """A net that keeps 10 atoms of each link for its corridors and 30 for SAEs; `core-*` are tunnel ends."""

    keep = Keep(10, 30)
    registry = Registry({
        "router-london": SaeEntry("router-london", "london", frozenset({"router-slough", "router-hayes"})),
        "router-slough": SaeEntry("router-slough", "slough", frozenset({"router-london"})),
        "router-hayes": SaeEntry("router-hayes", "hayes", frozenset({"router-london"})),
        "core-london": SaeEntry("core-london", "london", frozenset({"core-slough"}), tunnel=True),
        "core-slough": SaeEntry("core-slough", "slough", frozenset({"core-london"})),
    })  # fmt: skip


async def taken(net, initiator, target, site, number):
    """How many keys an SAE gets out of a path before it is refused, and the code of the refusal."""
    for count in range(1000):
        try:
            await net.managers["london"].supply(initiator, target, site, number, 256)
        except KeySupplyError as error:
            return count * number, error.code
    raise AssertionError("no end of keys")


@pytest.mark.parametrize(
    ("target", "site", "number", "left"),
    [("router-slough", "slough", 8, 3), ("router-hayes", "hayes", 1, 0)],
)
def test_saes_and_corridors_spend_each_a_share_of_their_own(organisation, folder, target, site, number, left):
    async def main():
        async with Sold(organisation, folder) as net:
            await net.fill(atoms=41)
            path = net.topology.path("london", site)
            relayed = len(path) > 2
            sold = await net.managers["london"].path_supply(path, 256, relayed=relayed, sold=True)
            assert sold.left == 30 // (1 + relayed)
            assert (await taken(net, "router-london", target, site, number))[1] == "Q-KEY-028"
            stock = await net.stores["london"].stock("london-hayes")
            assert (stock.corridors, stock.sold) == (10, left)
            nothing = await net.managers["london"].path_supply(path, 256, relayed=relayed, sold=True)
            assert nothing.left == left // (1 + relayed)
            keys, code = await taken(net, "core-london", "core-slough", "slough", 1)
            assert (keys, code) == (5, "Q-KEY-020")
            assert (await net.stores["london"].stock("london-hayes")).sold == left

    run(main())


def test_a_corridor_that_spends_all_of_its_share_leaves_that_of_the_saes_and_new_blocks_fill_both(
    organisation, folder
):
    async def main():
        async with Sold(organisation, folder) as net:
            await net.fill(atoms=41)
            store = net.stores["london"]
            assert await taken(net, "core-london", "core-slough", "slough", 1) == (5, "Q-KEY-020")
            stock = await store.stock("london-hayes")
            assert (stock.corridors, stock.sold) == (0, 30)
            await net.fill(atoms=41, sequences=(2, 3))
            stock = await store.stock("london-hayes")
            assert (stock.corridors, stock.sold) == (10, 30), "no more than is kept, and both shares full"
            await net.fill(atoms=21, sequences=(4, 5))
            stock = await store.stock("london-hayes")
            assert (stock.corridors, stock.sold) == (10, 30), (
                "what a small block lacks stays of the older one"
            )

    run(main())


@pytest.mark.parametrize("atoms", [5, 9, 21, 41, 60])
def test_blocks_smaller_than_a_share_fill_both_shares_and_keep_them_filled(organisation, folder, atoms):
    async def main():
        async with Sold(organisation, folder) as net:
            store = net.stores["london"]
            for round_ in range(12):
                await net.fill(atoms=atoms, sequences=range(4 * round_, 4 * round_ + 4))
                await taken(net, "core-london", "core-slough", "slough", 1)
            await net.fill(atoms=atoms, sequences=range(100, 130))
            stock = await store.stock("london-hayes")
            assert (stock.corridors, stock.sold) == (10, 30)
            await taken(net, "router-london", "router-hayes", "hayes", 1)
            assert (await store.stock("london-hayes")).sold == 0
            await net.fill(atoms=atoms, sequences=range(130, 160))
            stock = await store.stock("london-hayes")
            assert (stock.corridors, stock.sold) == (10, 30), "what was spent comes back"

    run(main())


class Long(Net):
    """A net that keeps more blocks of a link than one would think."""

    keep = Keep(800, 40)


def test_an_own_reserve_of_many_small_blocks_is_there_at_the_other_end_too(organisation, folder):
    async def main():
        async with Long(organisation, folder) as net:
            await net.fill(atoms=9, sequences=range(300))
            stock = await net.stores["london"].stock("london-hayes")
            assert (stock.corridors, stock.sold) == (800, 40)
            for _ in range(400):
                (near,) = await net.managers["london"].supply("a", "b", "hayes", 1, 256)
                (far,) = await net.managers["hayes"].collect("b", "a", [near.key_id])
                assert near.key == far.key
            for site, counts in (await net.counts()).items():
                assert counts.missing == 0, site
            await net.fill(atoms=9, sequences=range(300, 900))
            foreign = (await net.stores["hayes"].stock("london-hayes")).blocks
            assert foreign < 2 * 3 * 841 / 8, "what nobody can ask for any more is not kept for ever"

    run(main())


def test_a_trusted_node_that_may_be_an_old_copy_uses_no_pad_and_binds_nothing(organisation, folder):
    """All of its folder was put back, side file included: only its neighbours can know."""

    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            await net.managers["london"].supply("a", "b", "slough", 1, 256)
            sent = []
            onward = net.clients["hayes"]["slough"]
            relay = onward.relay

            async def note(hop):
                sent.append(hop)
                return await relay(hop)

            onward.relay = note
            net.managers["hayes"].is_settled = lambda: False
            for site in ("slough", "hayes"):
                with pytest.raises(KeySupplyError) as early:
                    await net.managers["london"].supply("a", "b", site, 1, 256)
                assert early.value.code == "Q-KEY-035"
            assert not sent
            assert (await net.counts())["hayes"].bound == 0

    run(main())


def test_a_node_between_holds_back_what_its_own_link_needs(organisation, folder):
    async def main():
        async with Sold(organisation, folder) as net:
            await net.fill(atoms=9)  # fewer than are held back, on the far link
            for sequence, site in itertools.product(range(2, 6), ("london", "hayes")):
                await net.managers[site].ingest(block("london-hayes", sequence, 41))
            with pytest.raises(KeySupplyError) as error:
                await net.managers["london"].supply("router-london", "router-slough", "slough", 1, 256)
            assert error.value.code == "Q-KEY-028"
            assert (await net.stores["hayes"].stock("hayes-slough")).corridors == 8
            supply = await net.managers["london"].path_supply(
                ("london", "hayes", "slough"), 256, relayed=True, sold=True
            )
            assert supply.left == 0
            await net.managers["london"].supply("core-london", "core-slough", "slough", 1, 256)

    run(main())


@pytest.mark.parametrize(
    ("initiator", "target"),
    [("nobody", "router-hayes"), ("router-hayes", "router-hayes"), ("router-london", "nobody"),
     ("router-london", "router-slough"), ("core-london", "router-hayes")],
)  # fmt: skip
def test_keys_are_bound_only_for_saes_that_the_estate_names_at_the_ends_of_the_path(
    organisation, folder, initiator, target
):
    async def main():
        async with Sold(organisation, folder) as net:
            await net.fill()
            association = net.association(initiator, target, "london", "hayes")
            txid = "00000000-0000-4000-8000-000000000001"
            allotments = await net.stores["london"].reserve("london-hayes", association, 1, txid)
            with pytest.raises(KeySupplyError) as error:
                await net.clients["london"]["hayes"].bind("london-hayes", association, allotments, txid)
            assert error.value.code == "Q-POLICY-018"
            assert (await net.counts())["hayes"].bound == 0
            with pytest.raises(PolicyRefusal):
                await net.managers["london"].supply(initiator, target, "hayes", 1, 256)

    run(main())


@pytest.mark.parametrize(
    ("initiator", "target"), [("thief", "core-slough"), ("core-london", "router-slough")]
)
def test_keys_are_relayed_only_for_saes_that_the_estate_names(organisation, folder, initiator, target):
    async def main():
        async with Sold(organisation, folder) as net:
            await net.fill()
            before = await net.counts()
            peer = net.clients["london"]["hayes"]
            relay = peer.relay
            wrong = net.association(initiator, target, "london", "hayes", "slough")
            peer.relay = lambda hop: relay(dataclasses.replace(hop, association=wrong))
            with pytest.raises(KeySupplyError) as error:
                await net.managers["london"].supply("core-london", "core-slough", "slough", 1, 256)
            assert error.value.code == "Q-POLICY-018"
            after = await net.counts()
            assert (after["hayes"], after["slough"]) == (before["hayes"], before["slough"]), (
                "no pad was burnt"
            )

    run(main())


STAR = {"london-hayes": ("london", "hayes"), "hayes-slough": ("hayes", "slough"), "hayes-reading": ("hayes", "reading"),
        "reading-slough": ("reading", "slough")}  # fmt: skip


@pytest.mark.parametrize("through", ["hayes", "slough"])
def test_only_a_node_of_the_path_before_this_one_may_void_a_transaction(organisation, folder, through):
    async def main():
        async with Net(organisation, folder, STAR) as net:
            await net.fill()
            peer, seen = net.clients["london"]["hayes"], []
            relay = peer.relay

            async def note(hop):
                seen.append(hop.txid)
                return await relay(hop)

            peer.relay = note
            (key,) = await net.managers["london"].supply(
                "a", "b", "slough", 1, 256, path=("london", "hayes", "slough")
            )
            with pytest.raises(KeySupplyError) as error:
                await net.clients["reading"][through].void(seen[0], "spite")
            assert error.value.code == "Q-POLICY-011"
            with pytest.raises(KeySupplyError):
                await net.clients["slough"]["hayes"].void(seen[0], "spite")
            assert len(await net.managers["slough"].collect("b", "a", [key.key_id])) == 1
            await net.managers["london"].supply(
                "a", "b", "slough", 1, 256, path=("london", "hayes", "slough")
            )
            await peer.void("00000000-0000-4000-8000-000000000009", "unknown to everybody")
            assert (await net.stores["slough"].path_of(seen[1])) == ("london", "hayes", "slough")
            await peer.void(seen[1], "cancelled")
            voided = [r for site, r in await written(net) if (site, r["type"]) == ("slough", "key.void")]
            assert [record["body"]["cause"] for record in voided] == ["cancelled"]

    run(main())


@pytest.mark.parametrize(
    "path", [("london", "hayes", "london", "hayes"), ("london", "slough"), ("hayes", "slough")]
)
def test_the_supply_of_a_path_that_does_not_go_on_here_is_refused_at_once(organisation, folder, path):
    async def main():
        async with Net(organisation, folder) as net:
            with pytest.raises((PolicyRefusal, KeySupplyError)):
                await net.managers["london"].accept_supply(path, 256, "hayes", sold=False)

    run(main())
