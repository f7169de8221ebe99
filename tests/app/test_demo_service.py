import asyncio
import hashlib
import time

import pytest

from qorridor.app import examples
from qorridor.app.demo_estate import CHANGES, demo_estate
from qorridor.app.demo_service import HttpFile, Postgres, Traffic, choose_service
from qorridor.base.errors import EstateError
from qorridor.estate.read import parse
from tests.support.runs import short_folder


def use_directly(service, rounds):
    """Start a service and use it without a tunnel for some rounds."""

    async def body():
        traffic = Traffic(service.name)
        await service.start()
        try:
            await service.use(service.port, lambda: traffic.rounds >= rounds, traffic)
        finally:
            await service.stop()
        return traffic

    return asyncio.run(body())


def test_the_http_server_gives_256_megabytes_whose_checksum_both_sides_know():
    with short_folder() as folder:
        traffic = use_directly(HttpFile(folder / "http"), 1)
    assert (traffic.rounds, traffic.broken) == (1, "")
    assert traffic.received == 256 * 1024 * 1024
    assert len(traffic.checksum) == hashlib.sha256().digest_size * 2


def test_postgresql_answers_on_one_connection():
    with short_folder() as folder:
        service, reason = choose_service(folder)
        assert isinstance(service, Postgres), f"this test wants PostgreSQL: {reason}"
        traffic = use_directly(service, 3)
    assert (traffic.rounds, traffic.broken) == (3, "")
    assert traffic.connection.startswith("backend ")


def test_postgresql_takes_nothing_from_the_settings_of_the_shell(monkeypatch):
    monkeypatch.setenv("LANG", "xx_YY.UTF-8")
    monkeypatch.setenv("LC_ALL", "xx_YY.UTF-8")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGDATA", "/nowhere")
    with short_folder() as folder:
        service, _ = choose_service(folder, "postgresql")
        traffic = use_directly(service, 1)
    assert (traffic.rounds, traffic.broken) == (1, "")


def test_postgresql_ends_at_once_although_a_client_is_connected():
    async def body(service):
        traffic = Traffic(service.name)
        await service.start()
        client = asyncio.ensure_future(service.use(service.port, lambda: False, traffic))
        try:
            while not traffic.rounds:  # noqa: ASYNC110 - a counter tells nobody
                await asyncio.sleep(0.05)
        finally:
            before = time.monotonic()
            await service.stop()
        await client
        assert traffic.broken
        return time.monotonic() - before

    with short_folder() as folder:
        service, _ = choose_service(folder, "postgresql")
        assert asyncio.run(body(service)) < 4


def test_a_folder_that_the_database_user_may_not_enter_gets_the_http_server():
    with short_folder() as folder:
        inner = folder / "closed"
        inner.mkdir(mode=0o700)
        service, reason = choose_service(inner / "service")
    assert isinstance(service, HttpFile | Postgres)
    assert "user may not enter" in reason or reason == "installed here"


def test_a_broken_connection_is_told():
    with short_folder() as folder:
        service = HttpFile(folder / "http")

        async def body():
            async def drop(reader, writer):
                await reader.readline()
                writer.close()
                await writer.wait_closed()

            server = await asyncio.start_server(drop, "127.0.0.1", 0)
            traffic = Traffic(service.name)
            await service.use(server.sockets[0].getsockname()[1], lambda: False, traffic)
            server.close()
            return traffic

        traffic = asyncio.run(body())
    assert traffic.broken


def demo_text():
    return demo_estate(examples.text("meridian"), "127.0.0.1:4433", "/certificates", "127.0.0.1:4435")


def test_the_demo_changes_only_what_it_says_in_a_valid_estate():
    estate = parse(demo_text(), "estate.toml")
    assert estate.flows["core-replication"].rekey == 2
    assert estate.corridors["thames"].reserve == 20
    assert {link.preset for link in estate.corridors["thames"].links.values()} == {"demo-1ghz"}
    assert estate.policy.timing.dwell == 2
    assert len(CHANGES) == 4


def test_an_example_without_the_line_to_change_is_refused():
    broken = examples.text("meridian").replace('rekey = "2 min"', 'rekey = "3 min"')
    with pytest.raises(EstateError) as refused:
        demo_estate(broken, "127.0.0.1:1", "/", "127.0.0.1:3")
    assert refused.value.code == "Q-ESTATE-022"
