"""A small, correct KME of ETSI GS QKD 014 in memory, over real mutual TLS, with one switch per defect.

It shares no line with the product: the standard library's ssl, a parser of its own. A `mutant` is the name of
one defect; `""` is the unbroken KME. Two KMEs of one network share a pool, as two ends of a link do.
"""

import asyncio
import base64
import contextlib
import json
import os
import re
import socket
import ssl
import uuid
import warnings
from urllib.parse import unquote_to_bytes

DEFAULT, SMALLEST, LARGEST, MOST, FURTHER, CAP = 256, 64, 1024, 16, 2, 600
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOT_FOUND = "one or more keys specified are not found on KME"
POOLS = {
    "/api/v1/kme/key-pool": "pool",
    "/keys/exchange": "exchange",
    "/internal/keys": "internal",
    "/debug": "debug",
}


class Refusal(Exception):  # noqa: N818 - an answer
    """An answer that is no 200."""

    def __init__(self, status, message=""):
        super().__init__(status, message)
        self.status, self.message = status, message


class Vanish(Exception):  # noqa: N818 - an answer too
    """The KME closes without a word."""


class Key:
    """A key that waits for its slaves."""

    def __init__(self, key_id, value, master, slaves):
        self.key_id, self.value, self.master = key_id, value, master
        self.waiting, self.slaves = set(slaves), frozenset(slaves)
        self.is_stuck = False


class Pool:
    """What the KMEs of one network hold together."""

    def __init__(self, stock=CAP):
        self.stock, self.keys, self.made = stock, {}, 0
        self.busy = asyncio.Lock()
        self.delivered, self.late = [], set()
        self.locks = {}
        self.shared = os.urandom(LARGEST // 8)


class ReferenceKme:
    """One KME of a network; `saes` maps an SAE ID to the KME ID of its site, `pairs` who may share keys."""

    def __init__(self, name, pool, saes, credentials, trust, *, crl=None, mutant="", seconds=0.5):
        self.name, self.pool, self.saes, self.mutant, self.seconds = name, pool, saes, mutant, seconds
        self.tls = self._context(credentials, trust, crl)
        self.revoked, self.tasks, self.listener = set(), set(), None
        self.peer_is_up = lambda: True
        self.unsettled = []

    def _context(self, credentials, trust, crl):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*credentials)
        context.load_verify_locations(trust)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if crl is not None and self.mutant != "ignores-revocation":
            context.load_verify_locations(crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        if self.mutant == "asks-for-no-certificate":
            context.verify_mode = ssl.CERT_OPTIONAL
        if self.mutant == "ignores-dates":
            context.verify_flags |= 0x200000
        if self.mutant == "old-tls":
            with warnings.catch_warnings(action="ignore"):  # Python too advises against it
                context.minimum_version = ssl.TLSVersion.TLSv1
            context.set_ciphers("ALL:@SECLEVEL=0")
        return context

    # -- the wire -----------------------------------------------------------------------------

    async def start(self, port=0):
        """Listen on loopback."""
        self.listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self._spawn(self._accept())
        return self

    def _spawn(self, coroutine):
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def stop(self):
        """Drop the listener and every connection."""
        self.listener.close()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _accept(self):
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(self.listener)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._spawn(self._connection(sock))

    async def _connection(self, sock):
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=2**17)
        protocol = asyncio.StreamReaderProtocol(reader)
        plain = self.mutant == "plain-http" and await self._begins_plain(sock)
        try:
            if plain:
                transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock)
            else:
                transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=self.tls)
        except (OSError, ConnectionError):
            sock.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await self._serve(reader, writer, transport.get_extra_info("ssl_object"))
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, Vanish):
            pass
        finally:
            transport.abort()

    async def _begins_plain(self, sock):
        while True:
            try:
                return sock.recv(1, socket.MSG_PEEK) != b"\x16"
            except BlockingIOError:
                await asyncio.sleep(0.005)

    async def _serve(self, reader, writer, tls):
        caller, keep = self._caller(tls), True
        while keep:
            async with asyncio.timeout(10):
                first = await reader.readexactly(1)
            if self.mutant == "one-at-a-time":
                async with self.pool.busy:
                    request = await self._read(reader, writer, first)
            else:
                async with asyncio.timeout(None if self.mutant == "waits-for-ever" else self.seconds):
                    request = await self._read(reader, writer, first)
            if request is None:
                return
            answer, keep = await self._answered(request, caller, tls)
            if self.mutant == "crosses-answers" and b"\r\n\r\n" in bytes(reader._buffer):
                second = await self._read(reader, writer)
                answer = (await self._answered(second, caller, tls))[0] + answer
            writer.write(answer)
            await writer.drain()
            await self._settle(reader, writer)
        writer.close()

    async def _settle(self, reader, writer):
        """The mutant that takes a key out of its store only when the slave seems to have got it."""
        if self.mutant != "keeps-when-slave-leaves" or not self.unsettled:
            return
        keys, caller = self.unsettled.pop()
        await asyncio.sleep(0.005)
        if not reader.at_eof() and not writer.transport.is_closing():
            for key in keys:
                if not key.is_stuck:
                    key.waiting.discard(caller)
        else:
            for key in keys:
                key.is_stuck = True

    async def _read(self, reader, writer, first=b""):
        head = first + await reader.readuntil(b"\r\n\r\n")
        line, *rest = head.decode("latin-1").split("\r\n")[:-2]
        method, target, version = [*line.split(" "), "", ""][:3]
        if not version.startswith("HTTP/1.") or any(":" not in header for header in rest):
            return await self._bad(writer)
        pairs = [
            (name.lower(), value.strip()) for name, _, value in (header.partition(":") for header in rest)
        ]
        headers = dict(pairs)
        names = [name for name, _ in pairs]
        if len(head) > 2**14:
            return await self._bad(writer, 413)
        sizes = names.count("content-length") + ("transfer-encoding" in names)
        if (sizes > 1 and self.mutant != "two-lengths") or "host" not in headers:
            return await self._bad(writer)
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        size = int(dict(reversed(pairs)).get("content-length", 0))
        if "transfer-encoding" in headers:
            return method, target, headers, await self._chunks(reader)
        if size > 2**18:
            if self.mutant == "hangs-on-oversize":
                return method, "/hang", headers, b""
            return await self._bad(writer, 413)
        return method, target, headers, await reader.readexactly(size)

    async def _chunks(self, reader):
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readline()
        return body

    async def _bad(self, writer, status=400):
        writer.write(self._bytes(status, {"message": "bad request"}, keep=False))
        await writer.drain()
        writer.close()

    # -- one request --------------------------------------------------------------------------

    def _caller(self, tls):
        certificate = tls.getpeercert() if tls is not None else None
        if not certificate:
            return "a" if self.mutant in {"asks-for-no-certificate", "plain-http"} else None
        if self._is_revoked(tls):
            return None
        uris = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]
        name = uris[0].rpartition("/")[2] if uris else ""
        if name not in self.saes:
            return "a" if self.mutant == "maps-everybody" else None
        return name

    async def _answered(self, request, caller, tls):
        method, target, headers, body = request
        if target == "/hang":
            await asyncio.sleep(3600)
        if self.mutant == "trusts-header":
            caller = headers.get("x-sae-id", caller)
        if tls is not None and self._is_revoked(tls):
            caller = None
        if caller is None:
            return self._bytes(401, None, keep=False), False
        try:
            told = await self._dispatch(method, target, body, caller)
        except Refusal as refusal:
            return self._refusal(refusal), refusal.status != 401
        except Vanish:
            raise
        except Exception as error:
            return self._bytes(500, {"message": f"Traceback (most recent call last): {error}"}), True
        if self.mutant == "keys-in-html" and "dec_keys" in target:
            return self._bytes(200, f"<html>{told['keys'][0]['key']}</html>", kind="text/html"), True
        kind = "text/html" if self.mutant == "status-as-html" and "/status" in target else "application/json"
        return self._bytes(200, told, kind=kind, head=method == "HEAD"), True

    def _is_revoked(self, tls):
        if self.mutant == "keeps-revoked-sessions" or (
            self.mutant == "resumes-revoked" and tls.session_reused
        ):
            return False
        certificate = tls.getpeercert()
        return bool(certificate) and int(certificate["serialNumber"], 16) in self.revoked

    def _refusal(self, refusal):
        if refusal.status == 401:
            if self.mutant == "body-with-401":
                return self._bytes(401, {"message": "unauthorised"}, keep=False)
            return self._bytes(401, None, keep=False)
        if self.mutant == "error-without-message":
            return self._bytes(refusal.status, {"error": refusal.message})
        if self.mutant == "stack-trace":
            trace = f'Traceback (most recent call last):\n  File "kme.py", line 7\n{refusal.message}'
            return self._bytes(refusal.status, {"message": trace})
        if self.mutant == "details-of-strings":
            return self._bytes(refusal.status, {"message": refusal.message, "details": ["x"]})
        if refusal.status == "html":
            return self._bytes(400, "<html>Bad Request</html>", kind="text/html")
        if refusal.status == 422:
            return self._bytes(422, {"detail": [{"msg": "invalid"}]})
        if isinstance(refusal.status, int) and 300 <= refusal.status < 400:
            return self._bytes(refusal.status, None, extra=f"Location: {refusal.message}\r\n")
        return self._bytes(refusal.status, {"message": refusal.message})

    def _bytes(self, status, told, *, keep=True, kind="application/json", head=False, extra=""):
        body = b"" if told is None else told.encode() if isinstance(told, str) else json.dumps(told).encode()
        store = "" if self.mutant == "cacheable" else "Cache-Control: no-store\r\n"
        close = "" if keep else "Connection: close\r\n"
        kind = f"Content-Type: {kind}\r\n" if body else ""
        first = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{kind}{store}{close}{extra}\r\n"
        return first.encode() + (b"" if head else body)

    async def _dispatch(self, method, target, body, caller):
        if target.startswith("https://"):
            target = "/" + target.split("/", 3)[3]
        path, _, query = target.partition("?")
        if POOLS.get(path) is not None and self.mutant == f"open-{POOLS[path]}":
            return {
                "keys": [{"key_ID": k.key_id, "key": self._text(k.value)} for k in self.pool.keys.values()]
            }
        if self.mutant == "injection" and method == "POST" and path == "/api/v1/kme/keys":
            return {}
        if self.mutant == "redirects" and path.endswith("/"):
            raise Refusal(307, path[:-1])
        if self.mutant == "decodes-before-split":
            path = unquote_to_bytes(path).decode()
        if self.mutant == "normalises":
            path = re.sub("//+", "/", path)
        parts = path.split("/")
        if len(parts) != 6 or parts[:4] != ["", "api", "v1", "keys"]:
            raise Refusal(404, "no such resource")
        other = self._sae_id(parts[4])
        serve = {"status": self._status, "enc_keys": self._enc_keys, "dec_keys": self._dec_keys}.get(parts[5])
        if serve is None:
            raise Refusal(404, "no such resource")
        allowed = {"status": {"GET"}}.get(parts[5], {"GET", "POST"})
        if self.mutant == "post-status":
            allowed = {"GET", "POST"}
        if self.mutant == "any-method" and method in {"HEAD", "PUT", "DELETE", "PATCH"}:
            method = "GET" if method == "HEAD" else "POST"
        elif method not in allowed:
            raise Refusal(405, "method not allowed")
        return await serve(method, query, body, caller, other)

    def _sae_id(self, segment):
        if self.mutant == "decodes-twice":
            segment = unquote_to_bytes(segment).decode("utf-8", "replace")
        try:
            name = unquote_to_bytes(segment).decode()
        except UnicodeDecodeError:
            raise Refusal(400, "the SAE ID is not UTF-8") from None
        if self.mutant == "strips-ids":
            return name.strip("\0 \r\n")
        return name.lower() if self.mutant == "folds-case" else name

    def _partner(self, caller, name):
        if name == caller and self.mutant != "own-slave":
            raise Refusal(400, "slave SAE shall differ from the calling SAE")
        if name not in self.saes and self.mutant != "any-slave":
            raise Refusal(401)
        return name

    async def _status(self, _method, _query, _body, caller, other):
        self._partner(caller, other)
        told = {
            "source_KME_ID": self.name, "target_KME_ID": self.saes.get(other, self.name), "master_SAE_ID": caller,
            "slave_SAE_ID": other, "key_size": DEFAULT, "stored_key_count": self.pool.stock, "max_key_count": CAP,
            "max_key_per_request": MOST, "max_key_size": LARGEST, "min_key_size": SMALLEST,
            "max_SAE_ID_count": 0 if self.mutant == "multicast-unasked" else FURTHER,
        }  # fmt: skip
        match self.mutant:
            case "status-misses-member":
                del told["max_SAE_ID_count"]
            case "status-numbers-as-text":
                told["key_size"] = "256"
            case "status-swaps-saes":
                told["master_SAE_ID"], told["slave_SAE_ID"] = other, caller
            case "status-stock-above-cap":
                told["stored_key_count"] = CAP + 1
            case "stock-always-0":
                told["stored_key_count"] = 0
            case "smaller-than-advertised":
                told["max_key_per_request"] = 2 * MOST
        return told

    # -- Get key ------------------------------------------------------------------------------

    def _request(self, method, query, body):
        if method == "GET":
            return self._query(query)
        if self.mutant == "default-for-garbage":
            with contextlib.suppress(ValueError):
                told = json.loads(body or b"{}")
                return told if isinstance(told, dict) else {}
            return {}
        return self._json(body or b"{}")

    def _query(self, query):
        if self.mutant == "get-ignores-query":
            return {}
        told = {}
        for part in query.split("&") if query else []:
            name, _, value = part.partition("=")
            if self.mutant == "lax-query":
                with contextlib.suppress(ValueError):
                    told[name] = int(unquote_to_bytes(value).decode())
                continue
            if name not in {"number", "size"} or name in told or not re.fullmatch("-?[0-9]{1,9}", value):
                raise Refusal(400, "the query is not valid")
            told[name] = int(value)
        if self.mutant == "get-needs-both" and len(told) == 1:
            raise Refusal(400, "number and size are needed")
        if self.mutant == "get-needs-query" and not told:
            raise Refusal(400, "number and size are needed")
        return told

    def _json(self, body):
        def unique(pairs):
            if len(dict(pairs)) != len(pairs) and self.mutant != "last-name-wins":
                raise ValueError("a name twice")
            return dict(pairs)

        def constant(_):
            if self.mutant != "takes-nan":
                raise ValueError("no number")
            return 1

        try:
            text = body.decode("utf-8" if self.mutant != "detects-encoding" else json.detect_encoding(body))
            told = json.loads(text, object_pairs_hook=unique, parse_constant=constant)
        except (ValueError, RecursionError) as error:
            if isinstance(error, RecursionError) and self.mutant == "falls-on-depth":
                raise
            if self.mutant == "html-on-bad-json":
                raise Refusal("html") from None
            if self.mutant == "422-on-bad-json":
                raise Refusal(422) from None
            if self.mutant == "500-on-bad-json":
                raise Refusal(500, "internal error") from None
            raise Refusal(400, "the body is no JSON") from None
        if not isinstance(told, dict):
            raise Refusal(400, "the body is no JSON object")
        return told

    def _integer(self, told, name, default):
        value = told.get(name, default)
        if self.mutant == "lax-numbers":
            return int(value)
        if type(value) is not int:
            raise Refusal(400, f"{name} shall be an integer")
        return value

    async def _enc_keys(self, method, query, body, caller, other):
        if method == "POST" and not body and self.mutant == "500-without-body":
            raise Refusal(500, "internal error")
        self._partner(caller, other)
        told = self._request(method, query, body)
        if self.mutant == "post-needs-number" and method == "POST" and "number" not in told:
            raise Refusal(400, "number is missing")
        number, size = self._integer(told, "number", 1), self._integer(told, "size", DEFAULT)
        size = self._sized(size)
        if not 1 <= number <= MOST:
            if self.mutant == "number-0-is-empty" and number == 0:
                return {"keys": []}
            if self.mutant == "clamps-number":
                number = max(1, min(number, MOST))
            elif self.mutant == "503-above-maximum":
                raise Refusal(503, "too many keys")
            else:
                raise Refusal(400, "number is out of bounds")
        slaves = self._slaves(told, caller, other)
        self._extensions(told)
        return {"keys": [self._entry(key) for key in await self._keys(caller, slaves, number, size)]}

    def _sized(self, size):
        if size % 8:
            if self.mutant == "rounds-odd-size-down":
                return size // 8 * 8
            if self.mutant == "own-text-for-odd-size":
                raise Refusal(400, "Size must be divisible by 8.")
            raise Refusal(400, "size shall be a multiple of 8")
        if self.mutant == "ignores-size":
            return DEFAULT
        if not SMALLEST <= size <= LARGEST:
            if self.mutant == "clamps-size":
                return max(SMALLEST, min(size, LARGEST))
            raise Refusal(400, "size is out of bounds")
        if self.mutant == "largest-not-served" and size == LARGEST:
            raise Refusal(400, "size is out of bounds")
        return size

    def _slaves(self, told, caller, other):
        further = told.get("additional_slave_SAE_IDs") or []
        if self.mutant in {"multicast-ignored", "multicast-unasked"}:
            return [other]
        if len(further) > FURTHER and self.mutant != "any-number-of-slaves":
            raise Refusal(400, "too many slaves")
        odd = len(set(further)) != len(further) or caller in further or other in further
        if odd and self.mutant != "takes-odd-slaves":
            raise Refusal(400, "additional_slave_SAE_IDs is not valid")
        if any(name not in self.saes for name in further) and self.mutant != "any-number-of-slaves":
            raise Refusal(401)
        return [other, *further]

    def _extensions(self, told):
        mandatory = told.get("extension_mandatory") or []
        if isinstance(mandatory, dict) and self.mutant == "drops-object-form":
            mandatory = []
        if mandatory and self.mutant != "ignores-mandatory":
            names = mandatory if isinstance(mandatory, dict) else {k for item in mandatory for k in item}
            if set(names) == {"acme_route"} and self.mutant != "own-text-for-unmet":
                raise Refusal(400, "not all extension_mandatory request options could be met")
            if self.mutant == "own-text-for-mandatory":
                raise Refusal(400, "extension not supported")
            if self.mutant == "takes-for-mandatory":
                self.pool.stock -= 1
            raise Refusal(400, "not all extension_mandatory parameters are supported")
        if told.get("extension_optional") and self.mutant == "refuses-optional":
            raise Refusal(400, "unknown extension")

    async def _keys(self, caller, slaves, number, size):
        pool = self.pool
        if not self.peer_is_up() and self.saes[slaves[0]] != self.name:
            if self.mutant != "gives-without-peer":
                raise Refusal(503, "the peer KME does not answer")
            slaves = []
        if self.mutant == "deadlock":
            await self._ask_peer_under_lock(self.saes[slaves[0]])
        if pool.stock < number:
            if self.mutant == "takes-before-counting":
                pool.stock = 0
            if self.mutant == "short-answer":
                number = pool.stock
            else:
                raise Refusal(503, "insufficient keys")
        if self.mutant == "second-discards-first":
            pool.keys = {k: v for k, v in pool.keys.items() if v.master != caller}
        shared = pool.shared
        if self.mutant == "races":
            await asyncio.sleep(0.02)
            pool.shared = os.urandom(LARGEST // 8)
        pool.stock -= number
        value = shared[: size // 8] if self.mutant == "races" and number == 1 else b""
        return [self._new(caller, slaves, size, value) for _ in range(number)]

    async def _ask_peer_under_lock(self, peer):
        """Each KME holds its lock while it calls the other one without a timeout."""
        locks = self.pool.locks
        async with locks.setdefault(self.name, asyncio.Lock()):
            await asyncio.sleep(0.01)
            if peer != self.name:
                async with locks.setdefault(peer, asyncio.Lock()):
                    await asyncio.sleep(0.01)

    def _new(self, caller, slaves, size, value):
        pool = self.pool
        pool.made += 1
        value = value or os.urandom(size // 8)
        match self.mutant:
            case "constant-prefix":
                value = b"\1\2\3\4\5\6\7\10" + value[8:]
            case "biased-bits":
                value = bytes(byte | 1 for byte in value)
        name = f"key-{pool.made}" if self.mutant == "ids-are-no-uuids" else str(uuid.uuid4())
        key = Key(name, value, caller, slaves)
        pool.keys[name] = key
        if self.mutant == "propagates-late" and pool.made % 10 == 3:
            pool.late.add(name)
        return key

    def _text(self, value):
        if self.mutant == "base64url":
            return base64.urlsafe_b64encode(value).decode()
        return base64.b64encode(value).decode().rstrip("=" if self.mutant == "unpadded" else "")

    def _entry(self, key):
        return {"key_ID": key.key_id, "key": self._text(key.value)}

    # -- Get key with key IDs -----------------------------------------------------------------

    async def _dec_keys(self, method, query, body, caller, master):
        names = self._names(method, query, body)
        keys = [self.pool.keys.get(name) for name in names]
        owners = [key for key in keys if key is not None]
        foreign = [key for key in owners if caller not in key.slaves and self._guards(key, caller)]
        if self.mutant == "any-of-several-is-enough" and len(foreign) < len(owners):
            foreign = []
        if self.mutant == "knows-only-one-master":
            foreign = [] if any(key.master != master for key in owners) else foreign
        if foreign:
            raise Refusal(401)
        if any(key is None for key in keys) and self.mutant == "consumes-on-failure":
            for key in owners:
                key.waiting.discard(caller)
        if self.mutant == "burns-for-wrong-master":
            for key in owners:
                if key.master != master:
                    key.waiting.discard(caller)
        if any(key is None or not self._waits(key, caller, master) for key in keys):
            if self.mutant == "echoes-key" and owners:
                raise Refusal(400, f"{NOT_FOUND}: {self._text(owners[0].value)} is gone")
            raise Refusal(
                404 if self.mutant == "404-for-unknown" else 503 if self.mutant == "503-for-unknown" else 400,
                "Key not found." if self.mutant == "own-text-for-unknown" else NOT_FOUND,
            )
        if self.mutant == "slow-take":
            await asyncio.sleep(0.05)
        if self.mutant == "keeps-when-slave-leaves":
            self.unsettled.append((owners, caller))
        elif self.mutant != "delivers-again":
            for key in owners:
                key.waiting -= {caller} if caller in key.waiting else key.slaves
        self.pool.delivered += owners
        entries = [self._entry(key) for key in owners]
        if self.mutant == "shifts-keys" and len(entries) > 1:
            values = [entry["key"] for entry in entries]
            for entry, value in zip(entries, [*values[1:], values[0]], strict=True):
                entry["key"] = value
        return {"keys": entries[:1] if self.mutant == "first-only" else entries}

    def _guards(self, key, caller):
        if self.mutant == "no-owner-check":
            return False
        return not (self.mutant == "master-may-fetch" and key.master == caller)

    def _waits(self, key, caller, master):
        if self.mutant == "propagates-late":
            arrived = key.key_id not in self.pool.late
            self.pool.late.discard(key.key_id)
            return arrived and caller in key.waiting and key.master == master
        lax = {"no-owner-check", "any-of-several-is-enough", "knows-only-one-master"}
        if self.mutant in lax or (self.mutant == "master-may-fetch" and key.master == caller):
            return bool(key.waiting)
        return caller in key.waiting and key.master == master

    def _names(self, method, query, body):
        if method == "GET":
            if self.mutant == "no-get-dec":
                raise Refusal(405, "method not allowed")
            name, _, value = query.partition("=")
            names = [unquote_to_bytes(value).decode("utf-8", "replace")] if name == "key_ID" else []
        else:
            entries = self._json(body).get("key_IDs")
            strings = self.mutant == "ids-as-strings"
            if not isinstance(entries, list) or not all(isinstance(e, dict) or strings for e in entries):
                raise Refusal(400, "key_IDs shall be an array of objects")
            names = [entry.get("key_ID") if isinstance(entry, dict) else entry for entry in entries]
        if self.mutant == "falls-on-odd-ids":
            return [str(uuid.UUID(name)) for name in names]
        if self.mutant != "exact-case":
            names = [name.lower() if isinstance(name, str) else name for name in names]
        strict = self.mutant not in {"ids-are-no-uuids", "404-for-odd-ids"}
        if any(not isinstance(n, str) or (strict and not UUID.fullmatch(n.lower())) for n in names):
            raise Refusal(400, "key_ID shall be a UUID")
        if self.mutant == "404-for-odd-ids" and any(not UUID.fullmatch(name.lower()) for name in names):
            raise Refusal(404, "no such key")
        odd = len(set(names)) != len(names) or not 1 <= len(names) <= MOST
        if odd and self.mutant != "takes-any-list":
            raise Refusal(400, "key_IDs is not valid")
        return names

    async def restart(self):
        """Stop, forget what a restart forgets, listen again on the same port."""
        port = self.port
        await self.stop()
        if self.mutant == "restores-old-snapshot":
            for key in self.pool.delivered:
                key.waiting |= key.slaves
        await self.start(port)
