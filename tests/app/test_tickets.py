"""A ticket by hand enrols a process with the authority that handed it out, and nobody else's name gets one."""

import asyncio

import pytest

from qorridor.app.enrolment import Pki, enrol, prepare
from qorridor.app.estate_file import load
from qorridor.app.run_folder import BOOK, AddressBook, announce
from qorridor.app.tickets import ticket_by_hand
from qorridor.base.errors import EstateError, OutsideError
from tests.app.played_run import played_run
from tests.support.runs import short_folder


def by_hand(name, *, announced=True, keys=True):
    async def body(folder):
        async with played_run(folder / "run"):
            run = folder / "run"
            estate = load(run / "estate.toml")
            host, port = AddressBook(run / BOOK).find("authority")
            if announced:
                announce(run / "authority", {"authority": f"{host}:{port}"})
            if keys:
                prepare(folder / "node/pki", ("ecdsa-p256",))
            file = await ticket_by_hand(run / "authority", estate, name, folder / "node")
            await enrol(folder / "node/pki", file, ("ecdsa-p256",))
            return Pki(folder / "node/pki").identity.uri, file.exists()

    with short_folder() as folder:
        return asyncio.run(body(folder))


def test_a_ticket_by_hand_enrols_one_process_and_is_spent():
    assert by_hand("node/hayes") == ("spiffe://meridian-bank/node/hayes", False)


def test_a_ticket_is_for_keys_that_exist():
    with pytest.raises(OutsideError) as told:
        by_hand("node/hayes", keys=False)
    assert told.value.code == "Q-KME-046"
    assert "request.json" in told.value.remedy


@pytest.mark.parametrize("name", ["", "hayes", "node/", "node/a b", "../x"])
def test_a_name_that_is_no_identity_gets_no_ticket(name):
    with pytest.raises(EstateError) as refused:
        by_hand(name)
    assert refused.value.code == "Q-ESTATE-041"


def test_an_authority_that_does_not_serve_is_told():
    with pytest.raises(OutsideError) as told:
        by_hand("node/hayes", announced=False)
    assert told.value.code == "Q-KME-042"
