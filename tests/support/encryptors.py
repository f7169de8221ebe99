"""Both encryptors of a corridor in memory; each call may be the last of its end."""

from qorridor.ports.encryptor import InUse


class Safe:
    """Nobody dies."""

    async def step(self):
        """One more step survived."""


SAFE = Safe()


class Wire:
    """What both encryptors share: the trunk of an epoch exists when both ends hold its key."""

    def __init__(self):
        self.keys = {"i": {}, "r": {}}
        self.accepted, self.switched = set(), None
        self.history, self.killed = [], []

    def live(self):
        epoch = self.switched
        if epoch in self.accepted and self.keys["i"].get(epoch) == self.keys["r"].get(epoch) is not None:
            return epoch
        return None


class Driver:
    """One end's encryptor, alive on its own: it survives the death of its node."""

    def __init__(self, wire, role, fate=SAFE):
        self.wire, self.role, self.fate = wire, role, fate

    async def prepare(self, epoch, key, reason):
        await self.fate.step()
        held = self.wire.keys[self.role].setdefault(epoch, bytes(key.reveal()))
        assert held == bytes(key.reveal()), "two keys for one epoch"

    async def commit(self, epoch, step):
        await self.fate.step()
        assert epoch in self.wire.keys[self.role], "committed before it was prepared"
        if step == "accept":
            self.wire.accepted.add(epoch)
        else:
            assert epoch in self.wire.accepted, "the initiator switched before the responder accepted"
            self.wire.switched = epoch
            self.wire.history.append(epoch)
        await self.fate.step()

    async def probe(self, epoch):
        return InUse(self.wire.live(), "double")

    async def running(self):
        return self.wire.live()

    async def rollback(self, epoch, reason):
        self.wire.keys[self.role].pop(epoch, None)

    async def retire(self, epoch):
        for old in [number for number in self.wire.keys[self.role] if number <= epoch]:
            del self.wire.keys[self.role][old]

    async def kill(self, reason):
        self.wire.keys[self.role].clear()
        self.wire.killed.append((self.role, reason))
