"""Two reference KMEs with three SAEs, an authority of their own, and certificates that must not be served."""

import contextlib
import datetime as dt
import ipaddress
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from qorridor.app.conform.parties import Address, Parties, read_party
from tests.support.reference_kme import Pool, ReferenceKme

SAES = {"a": "kme-a", "b": "kme-b", "c": "kme-b"}
DAY = dt.timedelta(days=1)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


class Authority:
    """Issues whatever it is asked for into a folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.key, self.name = ec.generate_private_key(ec.SECP256R1()), _name("reference CA")
        self.serials = {}
        self.now = dt.datetime.now(dt.UTC)
        made = self._builder(self.name, self.key, (-1, 30)).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        (self.folder / "ca.pem").write_bytes(_pem(made.sign(self.key, hashes.SHA256())))
        revoked = self.issue("revoked", "a")
        self._crl(self.serials["revoked"])
        assert revoked.is_file()

    @property
    def trust(self):
        return self.folder / "ca.pem"

    def _builder(self, subject, key, days):
        start, end = (self.now + number * DAY for number in days)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
        serial = x509.random_serial_number()
        return (
            builder.public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(start)
            .not_valid_after(end)
        )

    def issue(self, file, sae=None, *, days=(-1, 10), use=CLIENT, host=""):
        """A PEM file with certificate and key: the name of an SAE, or of a host."""
        key = ec.generate_private_key(ec.SECP256R1())
        sae = sae or file
        names = [x509.UniformResourceIdentifier(f"spiffe://reference/sae/{sae}")]
        if host:
            names = [x509.IPAddress(ipaddress.ip_address(host))]
        builder = self._builder(_name(sae), key, days)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        made = builder.sign(self.key, hashes.SHA256())
        self.serials[file] = made.serial_number
        form = serialization.PrivateFormat.PKCS8
        pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        path = self.folder / f"{file}.pem"
        path.write_bytes(_pem(made) + pem)
        return path

    def _crl(self, serial):
        row = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(self.now - DAY).build()
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(self.now - DAY)
        made = builder.next_update(self.now + 10 * DAY).add_revoked_certificate(row)
        pem = made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        (self.folder / "crl.pem").write_bytes(pem)


def _name(common):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class Certificates:
    """All that a run of the suite uses, made once."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="q"))
        self.authority = authority = Authority(self.folder)
        self.saes = {name: authority.issue(name) for name in SAES}
        self.kme = authority.issue("kme", use=SERVER, host="127.0.0.1")
        self.elsewhere = authority.issue("elsewhere", use=SERVER, host="192.0.2.1")
        self.outsider = authority.issue("stranger")
        self.bad = {
            "expired": authority.issue("expired", "a", days=(-9, -2)),
            "not-yet-valid": authority.issue("early", "a", days=(2, 9)),
            "wrong-use": authority.issue("server", "a", use=SERVER),
            "revoked": self.folder / "revoked.pem",
            "revocable": authority.issue("revocable", "a"),
        }


class ReferenceNet:
    """`async with` runs kme-a (for a) and kme-b (for b and c), or one KME for all."""

    def __init__(self, certificates, mutant="", *, alone=False):
        self.certificates, self.mutant, self.alone = certificates, mutant, alone
        self.kmes = {}

    async def __aenter__(self):
        made = self.certificates
        self.pool = Pool()
        saes = dict.fromkeys(SAES, "kme-a") if self.alone else SAES
        server = made.elsewhere if self.mutant == "certificate-of-another-host" else made.kme
        for name in sorted(set(saes.values())):
            self.kmes[name] = await ReferenceKme(
                name, self.pool, saes, (server, server), made.authority.trust,
                crl=made.folder / "crl.pem", mutant=self.mutant,
            ).start()  # fmt: skip
        self.a, self.b = self.kmes["kme-a"], self.kmes[saes["b"]]
        self.is_peer_up = True
        self.a.peer_is_up = lambda: self.is_peer_up
        self.saes = saes
        return self

    async def __aexit__(self, *_):
        for kme in self.kmes.values():
            with contextlib.suppress(OSError):
                await kme.stop()

    def parties(self):
        """Everybody, with certificates of every kind."""
        made, trust = self.certificates, self.certificates.authority.trust

        def party(role, file, sae="a", name=""):
            kme = self.kmes[self.saes[sae]]
            return read_party(role, file, Address("127.0.0.1", kme.port), trust, name)

        saes = {role: party(role, made.saes[sae], sae) for role, sae in zip("ABC", SAES, strict=True)}
        bad = {name: party(name, file, name="a") for name, file in made.bad.items()}
        return Parties(saes["A"], saes["B"], saes["C"], party("X", made.outsider), bad)

    def hooks(self):
        """What an operator would run."""
        return {
            "restart": self._restart,
            "revoke": self._revoke,
            "peer-stop": self._stop,
            "peer-start": self._start,
        }

    async def _restart(self):
        for kme in self.kmes.values():
            await kme.restart()

    async def _revoke(self):
        self.a.revoked.add(self.certificates.authority.serials["revocable"])

    async def _stop(self):
        self.is_peer_up = False

    async def _start(self):
        self.is_peer_up = True
