"""The crash table of key agreement: whatever ends where, a key ends delivered or void at both ends, at once or
as soon as the two nodes reach each other; and what an older store shared counts for nothing."""

import asyncio
import shutil

import pytest

from qorridor.base.errors import KeySupplyError, OutsideError
from tests.support.loop import run
from tests.support.nodes import Net, block

LINK = "london-hayes"


class CrashError(BaseException):
    """The process ends here: no handler of the product sees it."""


async def crash(net, site):
    """Kill a node and start it again."""
    net.end(site)
    await net.start(site)


def still_open(net):
    """Keys that are neither in stock nor at their end, per site."""
    sums = {
        site: store._db.execute("SELECT count(*) FROM key WHERE state IN ('reserved', 'bound')").fetchone()[0]
        for site, store in net.stores.items()
    }
    return {site: count for site, count in sums.items() if count}


def failing(net, call, *, before=False, error=CrashError):
    """London's call to hayes, ended before it is sent or after its answer has come."""
    peer = net.clients["london"]["hayes"]
    real = getattr(peer, call)

    async def ended(*arguments):
        if not before:
            await real(*arguments)
        raise error if isinstance(error, BaseException) else error()

    setattr(peer, call, ended)
    return lambda: setattr(peer, call, real)


async def supplied(net, target="hayes"):
    (key,) = await net.managers["london"].supply("a", "b", target, 1, 256)
    return key


@pytest.mark.parametrize("before", [True, False], ids=["before it is sent", "after the answer"])
@pytest.mark.parametrize("target", ["hayes", "slough"])
def test_an_initiators_node_that_ends_in_the_middle_voids_the_key_at_every_node_when_it_is_back(
    organisation, folder, target, before
):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            failing(net, "bind" if target == "hayes" else "relay", before=before)
            with pytest.raises(CrashError):
                await supplied(net, target)
            await crash(net, "london")
            assert still_open(net) == ({} if before else {target: 1}), "nothing of it is open here any more"
            (owed,) = await net.stores["london"].owed()
            assert (owed.peer, owed.cause) == ("hayes", "restart")
            await net.managers["london"].tell_peers()
            assert not still_open(net)
            assert not await net.stores["london"].owed()
            for item in (await net.counts()).values():
                assert item.missing == 0
            key = await supplied(net, target)
            assert (await net.managers[target].collect("b", "a", [key.key_id]))[0].key == key.key

    run(main())


def test_a_node_that_ends_between_the_last_acknowledgement_and_its_commit_voids_the_key_at_both(
    organisation, folder
):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()

            async def ready(_txid, _also=()):
                raise CrashError

            net.stores["london"].ready = ready
            with pytest.raises(CrashError):
                await supplied(net)
            assert still_open(net) == {"london": 1, "hayes": 1}
            await crash(net, "london")
            await net.managers["london"].tell_peers()
            assert not still_open(net)

    run(main())


def test_an_initiators_answer_that_is_lost_ends_void_at_the_other_end_with_its_time(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            key = await supplied(net)  # committed as delivered; suppose that nobody got it
            await crash(net, "london")
            assert not await net.stores["london"].owed(), "it is complete here"
            net.clock.time += 181
            await net.managers["hayes"].expire()
            assert not still_open(net)
            with pytest.raises(KeySupplyError):
                await net.managers["hayes"].collect("b", "a", [key.key_id])

    run(main())


@pytest.mark.parametrize("target", ["hayes", "slough"])
def test_a_neighbour_that_cannot_be_told_is_told_later_and_once(organisation, folder, target):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            lost = OutsideError("Q-KME-044", "the answer was lost", "none")
            mend = [
                failing(net, "bind" if target == "hayes" else "relay", error=lost),
                failing(net, "void", before=True, error=lost),
            ]
            with pytest.raises(OutsideError):
                await supplied(net, target)
            assert still_open(net) == {target: 1}
            await net.managers["london"].tell_peers()
            assert len(await net.stores["london"].owed()) == 1, "still out of reach"
            for each in mend:
                each()
            await net.managers["london"].tell_peers()
            assert not still_open(net)
            assert not await net.stores["london"].owed()

    run(main())


@pytest.mark.parametrize("target", ["hayes", "slough"])
def test_what_arrives_after_it_was_given_up_is_taken_nowhere(organisation, folder, target):
    """The void overtakes its message on another connection."""

    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            late = []
            peer = net.clients["london"]["hayes"]
            call = "bind" if target == "hayes" else "relay"
            real = getattr(peer, call)

            async def delayed(*arguments):
                late.append(arguments)
                raise OutsideError("Q-KME-044", "no answer", "none")

            setattr(peer, call, delayed)
            with pytest.raises(OutsideError):
                await supplied(net, target)
            before = await net.counts()
            with pytest.raises(KeySupplyError) as refused:
                await real(*late[0])
            assert refused.value.code == "Q-KEY-026"
            assert await net.counts() == before

    run(main())


def test_a_trusted_node_that_ends_in_the_middle_leaves_nothing_open(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            onward = net.clients["hayes"]["slough"]
            real = onward.relay

            async def ended(hop):
                await real(hop)
                raise OutsideError("Q-KME-044", "the node ended", "none")

            onward.relay = ended
            with pytest.raises(OutsideError):
                await supplied(net, "slough")
            assert not still_open(net), "the void went all the way"
            assert not await net.stores["london"].owed()

    run(main())


async def restore_old_copy(net, site, kept):
    """Put the files of a store back as they were; its side file is newer, as after a real restore."""
    net.end(site)
    for name in ("keys.db", "keys.db-wal"):
        (net.folder / site / name).unlink(missing_ok=True)
        if (kept / name).exists():
            shutil.copy(kept / name, net.folder / site / name)
    (net.folder / site / "incarnation").write_text("f" * 32)
    await net.start(site)


async def start_empty(net, site, _kept):
    net.end(site)
    shutil.rmtree(net.folder / site)
    await net.start(site)


@pytest.mark.parametrize("again", [restore_old_copy, start_empty])
def test_a_store_that_was_restored_or_made_anew_voids_what_both_ends_shared_with_the_old_one(
    organisation, folder, again
):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            key = await supplied(net)
            waiting = await supplied(net)
            await net.stores["hayes"].checkpoint()
            kept = folder / "kept"
            shutil.copytree(net.folder / "hayes", kept)
            await net.managers["hayes"].collect("b", "a", [key.key_id])
            await again(net, "hayes", kept)
            for each in (key, waiting):
                with pytest.raises(KeySupplyError):
                    await net.managers["hayes"].collect("b", "a", [each.key_id])
            await net.clients["london"]["hayes"].hello()
            counts = await net.counts()
            assert not still_open(net)
            for site in ("london", "hayes"):
                stock = await net.stores[site].stock(LINK)
                assert (stock.corridors, stock.foreign) == (0, 0), "no atom of the old link stock is left"
                assert counts[site].missing == 0
            assert (await net.stores["hayes"].stock("hayes-slough")).blocks == 0
            leaves = b"".join(leaf for _, leaf in await net.stores["london"].events_after(0, 10_000))
            assert b"key.peer-restored" in leaves
            for sequence in (2, 3):
                for site in ("london", "hayes"):
                    await net.managers[site].ingest(block(LINK, sequence))
            fresh = await supplied(net)
            assert (await net.managers["hayes"].collect("b", "a", [fresh.key_id]))[0].key == fresh.key

    run(main())


def test_a_key_for_a_store_that_is_not_there_any_more_is_refused_and_the_next_one_is_not(
    organisation, folder
):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            await supplied(net)
            await net.stores["hayes"].quarantine()  # under a running node: london has not heard of it
            with pytest.raises(KeySupplyError) as refused:
                await supplied(net)
            assert refused.value.code == "Q-KEY-036"
            assert not still_open(net)
            for sequence in (2, 3):
                for site in ("london", "hayes"):
                    await net.managers[site].ingest(block(LINK, sequence))
            await supplied(net)

    run(main())


def test_the_same_incarnation_costs_nothing_and_another_one_only_what_lies_over_that_node(
    organisation, folder
):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            before = await net.counts()
            store, hayes = net.stores["london"], net.stores["hayes"].incarnation
            assert not await store.meet("hayes", hayes, [LINK])
            assert not await store.meet("hayes", hayes, [LINK])
            assert await net.counts() == before
            far = net.stores["hayes"]
            assert not await far.meet("london", "1" * 32, [LINK])
            assert await far.meet("london", "2" * 32, [LINK])
            assert (await far.stock(LINK)).blocks == 0
            assert (await far.stock("hayes-slough")).blocks == 2

    run(main())


def test_two_stores_on_one_folder_are_refused_and_the_first_goes_on(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            with pytest.raises(OutsideError) as refused:
                await net.start("london")
            assert refused.value.code == "Q-KEY-042"
            await asyncio.sleep(0)
            assert (await net.stores["london"].count()).missing == 0

    run(main())


def test_what_is_owed_to_a_node_that_the_estate_has_lost_holds_up_nobody(organisation, folder, caplog):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            failing(net, "bind", before=True)
            with pytest.raises(CrashError):
                await supplied(net)
            await crash(net, "london")
            del net.clients["london"]["hayes"]
            await net.managers["london"].tell_peers()
            assert not await net.stores["london"].owed()
            assert "no node any more" in caplog.text

    run(main())


def test_a_void_for_a_path_that_goes_on_where_nobody_is_burns_what_lies_here(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            seen = []
            relay = net.clients["london"]["hayes"].relay

            async def note(hop):
                seen.append(hop.txid)
                return await relay(hop)

            net.clients["london"]["hayes"].relay = note
            await supplied(net, "slough")
            del net.clients["hayes"]["slough"]
            await net.clients["london"]["hayes"].void(seen[0], "test")

    run(main())


def test_a_supply_that_was_cancelled_is_given_up_at_both_ends_after_a_minute(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            reached = asyncio.Event()
            peer = net.clients["london"]["hayes"]
            bind = peer.bind

            async def hang(*arguments):
                await bind(*arguments)
                reached.set()
                await asyncio.sleep(60)

            peer.bind = hang
            task = asyncio.create_task(supplied(net))
            await reached.wait()
            task.cancel()
            await asyncio.wait({task})
            await net.managers["london"].tell_peers()
            assert still_open(net) == {"london": 1, "hayes": 1}, "it may be on its way still"
            net.clock.time += 61
            await net.managers["london"].tell_peers()
            assert not still_open(net)
            assert not await net.stores["london"].owed()

    run(main())


def test_keys_of_a_request_of_which_one_was_burnt_meanwhile_are_all_given_up(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            store = net.stores["london"]
            real = store.ready

            async def late(txid):
                store._db.execute(
                    "UPDATE key SET state = 'void' WHERE key_id = (SELECT min(key_id) FROM key WHERE txid = ?)",
                    (txid,),
                )
                await real(txid)

            store.ready = late
            with pytest.raises(KeySupplyError) as refused:
                await net.managers["london"].supply("a", "b", "hayes", 5, 256)
            assert refused.value.code == "Q-KEY-026"
            assert not still_open(net)

    run(main())


def test_a_node_that_ends_between_ready_and_delivery_voids_the_key_at_both_ends(organisation, folder):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()

            async def deliver(*_, **__):
                raise CrashError

            net.stores["london"].deliver = deliver
            with pytest.raises(CrashError):
                await supplied(net)
            await crash(net, "london")
            await net.managers["london"].tell_peers()
            assert not still_open(net)

    run(main())
