"""SKIP with a client that is not ours, and in a node process of its own."""

import asyncio
import base64
import json
import re
import shutil

from qorridor.adapters.wire import contexts, http, openssl, tls
from qorridor.app.run_folder import BOOK
from tests.support import lone_node
from tests.support.lone_node import LoneNode
from tests.support.loop import run
from tests.support.runs import short_folder
from tests.support.skip import PSKS, Providers, get

SPEAKERS = lone_node.SAES.replace(
    'near = { site = "london", speaks = "etsi-014", certificate = "x.pem",',
    'near = { site = "london", speaks = "skip", system_id = "Alice",',
)


def session_pem(key):
    """An external PSK in OpenSSL's own form of a session: SSL_SESSION of TLS 1.3 with SHA-384."""

    def item(tag, value):
        return bytes([tag, len(value)]) + value

    parts = [item(2, b"\x01"), item(2, b"\x03\x04"), item(4, b"\x13\x02"), item(4, b""), item(4, key)]
    text = base64.encodebytes(item(0x30, b"".join(parts))).decode()
    return f"-----BEGIN SSL SESSION PARAMETERS-----\n{text}-----END SSL SESSION PARAMETERS-----\n"


async def s_client(port, folder, key, *options):
    """What `openssl s_client` receives for a request of /capabilities, and its own words."""
    (folder / "psk.pem").write_text(session_pem(key))
    child = await asyncio.create_subprocess_exec(
        shutil.which("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-quiet", "-no_ign_eof",
        "-psk_identity", "Alice", "-psk_session", str(folder / "psk.pem"), *options,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    request = b"GET /capabilities HTTP/1.1\r\nHost: kp\r\nConnection: close\r\n\r\n"
    try:
        child.stdin.write(request)
        told = await asyncio.wait_for(child.stdout.read(), 30)
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
    return told.decode(errors="replace")


def test_openssls_own_client_is_served_by_psk_where_the_group_suits_it(
    organisation, folder, tmp_path, monkeypatch
):
    """The listener of the product with one change: also the group that every OpenSSL 3 knows."""
    made = contexts.psk_server

    def wider(lookup):
        context = made(lookup)
        openssl.set_groups(context.ssl, "X25519MLKEM768:X25519")
        context.groups |= {"x25519"}
        return context

    monkeypatch.setattr(contexts, "psk_server", wider)

    async def main():
        async with Providers(organisation, folder) as net:
            port = net.skip_ports["london", "skip-psk"]
            told = await s_client(port, tmp_path, PSKS["Alice"], "-groups", "X25519")
            assert '"localSystemID": "Alice"' in told
            assert "HTTP/1.1" not in await s_client(port, tmp_path, b"x" * 32, "-groups", "X25519")

    run(main())


def test_openssls_own_client_without_a_post_quantum_group_is_refused(organisation, folder, tmp_path):
    async def main():
        async with Providers(organisation, folder) as net:
            port = net.skip_ports["london", "skip-psk"]
            told = await s_client(port, tmp_path, PSKS["Alice"], "-groups", "X25519")
            assert "HTTP/1.1" not in told
            assert re.search("handshake failure|alert", told)

    run(main())


def test_a_client_that_does_not_finish_its_request_is_cut_off(organisation, folder, monkeypatch):
    monkeypatch.setattr(http, "REQUEST_SECONDS", 0.2)

    async def main():
        async with Providers(organisation, folder) as net:
            slow = await net.by_psk("Alice")
            await slow.write(b"GET /key?remoteSystemID=Bob HTTP/1.1\r\nHo")
            assert await slow.read() == b""
            assert (await get(await net.by_psk("Alice"), "/entropy"))[0] == 200

    run(main())


class WithPsk(LoneNode):
    """A node that finds a pre-shared key at its start."""

    async def start(self):
        file = self.state / "skip-psk" / "near"
        file.parent.mkdir(exist_ok=True)
        file.write_text(PSKS["Alice"].hex())
        file.chmod(0o600)
        await super().start()


def test_a_real_node_serves_skip_on_both_listeners_and_keeps_the_key_to_itself(monkeypatch):
    monkeypatch.setattr(lone_node, "SAES", SPEAKERS)

    async def main(folder):
        async with WithPsk(folder / "run") as node:
            book = json.loads(BOOK.read_text())
            pki = node.saes["near"]
            dialled = {
                "skip": contexts.mutual_client(pki.credentials("ecdsa-p256"), pki.trust("node")),
                "skip-psk": contexts.psk_client("Alice", lambda: memoryview(PSKS["Alice"])),
            }
            for listener, context in dialled.items():
                host, port = book[f"{listener}/london"].split(":")
                stream = await tls.connect(host, int(port), context)
                status, _, told = await get(stream, "/capabilities")
                assert (status, told["localSystemID"], told["remoteSystemID"]) == (200, "Alice", ["far"])
            written = node.words() + node.run.joinpath("estate.toml").read_text() + BOOK.read_text()
            assert PSKS["Alice"].hex() not in written

    with short_folder() as folder:
        asyncio.run(main(folder))
