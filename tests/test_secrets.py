"""What goes wrong is told without a byte of any key: errors of store, relay, tunnel and combiner, and every
journal leaf, are searched for every key in hexadecimal, base64 and as Python writes bytes."""

import base64
import dataclasses
import logging
import traceback

import pytest

from qorridor.adapters.stores.sealing import Sealer, root_sealer
from qorridor.adapters.stores.sqlite import SqliteStore
from qorridor.base.errors import QorridorError
from qorridor.base.secret import Secret
from qorridor.combine.components import Components, Suite
from qorridor.ports.key_store import Keep
from tests.support.loop import run
from tests.support.nodes import Net, block
from tests.support.tunnel import Bench, key


def forms(secret):
    """How 16 bytes of a key would look if somebody let them out."""
    for at in range(0, len(secret), 32):
        part = bytes(secret[at : at + 16])
        yield part.hex()
        yield part.hex().upper()
        yield base64.b64encode(part).decode()[:20]
        yield repr(part)[2:-1]
        yield str(list(part))[1:-1]


class Watch:
    """Collects what is shown, and the keys that must not be."""

    def __init__(self):
        self.keys, self.shown = [], []

    def note(self, error):
        chain = "".join(traceback.format_exception(error))
        self.shown += [chain, repr(error), str(error), repr(error.args)]

    def check(self):
        text = "\n".join(self.shown)
        assert self.keys
        assert text
        for secret in self.keys:
            for form in forms(secret):
                assert form not in text


@pytest.fixture
def watch(caplog, capfd):
    caplog.set_level(logging.DEBUG)
    made = Watch()
    yield made
    made.shown += [caplog.text, *capfd.readouterr()]
    made.check()


def test_errors_of_store_and_relay_and_the_journal_show_no_key(organisation, folder, watch):
    async def trouble(call):
        try:
            await call
        except QorridorError as error:
            watch.note(error)
        else:
            pytest.fail("nothing went wrong")

    async def main():
        async with Net(organisation, folder) as net:
            await net.fill(atoms=20)
            watch.keys += [bytes(block(link, n, 20).key.reveal()) for link in net.links for n in (0, 1)]
            london, hayes = net.managers["london"], net.managers["hayes"]
            (near,) = await london.supply("a", "b", "hayes", 1, 256)
            (relayed,) = await london.supply("a", "b", "slough", 1, 256)
            watch.keys += [bytes(near.key.reveal()), bytes(relayed.key.reveal())]
            watch.shown += [repr(near), repr(relayed), repr(block("london-hayes", 0))]
            await trouble(london.supply("a", "b", "hayes", 100, 256))
            await trouble(hayes.collect("c", "a", [near.key_id]))
            await hayes.collect("b", "a", [near.key_id])
            await trouble(hayes.collect("b", "a", [near.key_id]))
            peer = net.clients["london"]["hayes"]
            relay = peer.relay
            peer.relay = lambda hop: relay(dataclasses.replace(hop, tag=bytes(16)))
            await trouble(london.supply("a", "b", "slough", 1, 256))
            bad = block("london-hayes", 3, 20)
            await london.ingest(block("london-hayes", 3, 20))
            bad.key._bytes[40] ^= 1
            await hayes.ingest(bad)
            await net.stores["london"].burn_block(block("london-hayes", 1).block_id, "test")
            await trouble(london.supply("a", "b", "hayes", 1, 256))
            await trouble(net.stores["london"].take_pad("london-hayes", 100))
            for store in net.stores.values():
                watch.shown += [leaf.decode() for _, leaf in await store.events_after(0, 10_000)]
            watch.shown += [repr(event) for _, event in net.events]

    run(main())


def test_a_store_opened_with_another_root_key_says_so_without_a_key(folder, watch):
    from tests.support.world import Clock

    async def main():
        store = SqliteStore(folder, root_sealer(folder / "root.key"), Clock(), "london")
        made = block("london-hayes", 1)
        watch.keys += [bytes(made.key.reveal()), (folder / "root.key").read_bytes()]
        await store.ingest(made, owned=True, keep=Keep(99))
        await store.close()
        watch.shown += [repr(store), repr(vars(store))]
        with pytest.raises(QorridorError) as error:
            SqliteStore(folder, Sealer(bytes(32)), Clock(), "london")
        watch.note(error.value)

    run(main())


def test_errors_of_the_tunnel_show_no_key(watch):
    async def main():
        async with Bench() as bench:
            watch.keys += [bytes(key(n, name).reveal()) for n in (1, 2) for name in (b"key", b"other")]
            await bench.roll(1)
            await bench.entry.prepare(2, key(2))
            await bench.exit.prepare(2, key(2, b"other"))
            await bench.exit.commit(2, "accept")
            for call in (bench.entry.commit(2, "switch"), bench.entry.prepare(2, key(2, b"other"))):
                with pytest.raises(QorridorError) as error:
                    await call
                watch.note(error.value)
            watch.shown += [repr(vars(bench.entry)), repr(bench.entry.in_use())]

    run(main())


def test_components_of_the_wrong_size_show_no_key(watch):
    secrets = [bytes(range(n, n + 20)) for n in (10, 60, 110)]
    watch.keys += secrets
    suite = Suite("MLKEM768-X25519-HKDF-SHA384")
    components = None
    try:
        components = Components(suite, *[Secret(secret) for secret in secrets])
        components.input_keying_material(xor=False)
    except (QorridorError, ValueError) as error:
        watch.note(error)
    else:
        pytest.fail("20 bytes are no component")
    watch.shown.append(repr(components))
