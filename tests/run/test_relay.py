"""Keys over a trusted node: it sees none of them, cannot change one unseen, and nothing is half-delivered."""

import dataclasses

import pytest

from qorridor.base.errors import KeySupplyError, OutsideError
from qorridor.base.secret import Secret
from tests.support.loop import run
from tests.support.nodes import Net, block


async def supplied(net, count=1):
    return await net.managers["london"].supply("a", "b", "slough", count, 256)


async def collected(net, keys):
    return await net.managers["slough"].collect("b", "a", [key.key_id for key in keys])


def overheard(net, site):
    """What a node passes on, in clear, between its two hops."""
    relay, seen = net.managers[site]._relay, []
    pass_on = relay._send

    async def listen(association, keys, *rest, **more):
        seen.extend(bytes(secret.reveal()) for _, secret in keys)
        return await pass_on(association, keys, *rest, **more)

    relay._send = listen
    return seen


async def balanced(net):
    for site, counts in (await net.counts()).items():
        assert counts.missing == 0, site
        assert counts.reserved == counts.bound == 0, site


def test_a_trusted_node_sees_none_of_the_keys_that_it_relays(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            seen = overheard(net, "hayes")
            near = await supplied(net, 3)
            far = await collected(net, near)
            assert [key.key for key in near] == [key.key for key in far]
            assert len(seen) == 3
            assert not {bytes(key.key.reveal()) for key in near} & set(seen)

    run(main())


def test_a_node_that_changes_what_it_relays_is_found_by_the_far_end(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            relay = net.managers["hayes"]._relay
            pass_on = relay._send

            async def lie(association, keys, *rest, **more):
                changed = []
                for key, secret in keys:
                    data = bytearray(secret.reveal())
                    data[0] ^= 1
                    changed.append((key, Secret(bytes(data))))
                return await pass_on(association, changed, *rest, **more)

            relay._send = lie
            with pytest.raises(KeySupplyError, match="hayes") as found:
                await supplied(net, 2)
            assert found.value.code == "Q-KEY-034"
            await balanced(net)
            relay._send = pass_on
            near = await supplied(net)
            assert [key.key for key in await collected(net, near)] == [near[0].key]

    run(main())


def test_a_far_end_that_was_restarted_costs_one_key_and_the_next_is_masked_afresh(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            await supplied(net)
            net.masks["slough"]._known.clear()
            with pytest.raises(KeySupplyError) as forgotten:
                await supplied(net)
            assert forgotten.value.code == "Q-KEY-031"
            near = await supplied(net)
            assert [key.key for key in await collected(net, near)] == [key.key for key in near]

    run(main())


def test_without_a_connection_between_the_ends_nothing_is_spent(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            before = await net.counts()
            net.break_wire("london", "slough")
            with pytest.raises(OutsideError):
                await supplied(net)
            assert {site: dataclasses.astuple(counts) for site, counts in (await net.counts()).items()} == {
                site: dataclasses.astuple(counts) for site, counts in before.items()
            }

    run(main())


def test_a_mask_is_taken_afresh_after_an_hour_and_only_the_newest_are_kept(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            ids = []
            for _ in range(6):
                ids.append((await net.masks["london"].towards("slough")).mask_id)
                assert (await net.masks["london"].towards("slough")).mask_id == ids[-1]
                net.clock.time += 3601
            assert len(set(ids)) == 6
            assert [net.masks["slough"].known("london", one) is not None for one in ids] == [False] * 2 + [
                True
            ] * 4
            assert net.masks["slough"].known("hayes", ids[-1]) is None, "an id of one peer is nobody else's"

    run(main())


async def one_sided(net, site, sequences=(0, 1)):
    """Both links distil blocks; the node at `site` dies before it has taken in its own."""
    for link, ends in net.links.items():
        for sequence in sequences:
            for end in ends:
                if end != site:
                    await net.managers[end].ingest(block(link, sequence, 65))


@pytest.mark.parametrize("lost_at", ["hayes", "slough"])
@pytest.mark.parametrize("target", ["hayes", "slough"])
def test_a_block_that_only_one_end_holds_costs_one_key_and_is_burnt(organisation, folder, lost_at, target):
    async def main():
        async with Net(organisation, folder) as net:
            await one_sided(net, lost_at)
            await net.fill(sequences=(2, 3))
            failed = 0
            while failed < 4:
                try:
                    (key,) = await net.managers["london"].supply("a", "b", target, 1, 256)
                    break
                except KeySupplyError as error:
                    assert error.code in {"Q-KEY-023", "Q-KEY-029"}
                    failed += 1
            assert failed <= 2
            (far,) = await net.managers[target].collect("b", "a", [key.key_id])
            assert far.key == key.key
            for site, counts in (await net.counts()).items():
                assert counts.missing == 0, site

    run(main())


def test_no_key_leaves_a_node_before_it_knows_that_its_store_is_no_old_copy(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            near = await supplied(net)
            before = await net.counts()
            for site in ("london", "slough"):
                net.managers[site].is_settled = lambda: False
            for call in (supplied(net), collected(net, near)):
                with pytest.raises(KeySupplyError) as early:
                    await call
                assert early.value.code == "Q-KEY-035"
            assert await net.counts() == before
            net.managers["slough"].is_settled = lambda: True
            assert [key.key for key in await collected(net, near)] == [near[0].key]

    run(main())
