"""An organisation's authority in this process: identities at once, by the product's own enrolment rules."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from qorridor.adapters.wire import certificates
from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.app.authority import KINDS, open_authority
from qorridor.app.enrolment import Pki
from qorridor.base.names import Identity

DOMAIN = "test-bank"


class Organisation:
    """Enrols identities into folders of its own."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="q"))
        self.authority = open_authority(
            self.folder / "authority", "Test Bank", DOMAIN, SystemClock(), SystemEntropy()
        )
        self._made = {}

    def enrol(self, kind, name, *algorithms):
        """The folder of one identity; made once."""
        algorithms = algorithms or ("ecdsa-p256",)
        key = (kind, name, algorithms)
        if key not in self._made:
            self._made[key] = self._enrol(Identity(DOMAIN, kind, name), algorithms)
        return self._made[key]

    def _enrol(self, identity, algorithms):
        folder = self.folder / f"{identity.kind}-{identity.name.replace('/', '-')}-{len(self._made)}"
        keys = [certificates.generate_key(name) for name in algorithms]
        requests = [certificates.make_request(identity, key, ("127.0.0.1",)) for key in keys]
        hashes = [certificates.key_hash(key.public_key()) for key in keys]
        answer = self.authority.enrol(self.authority.grant(identity, hashes), requests)
        folder.mkdir()
        for index, (name, key) in enumerate(zip(algorithms, keys, strict=True)):
            (folder / f"{name}.pem").write_text(answer[f"chain-{index}"])
            (folder / f"{name}.key").write_bytes(certificates.key_pem(key))
        for kind in KINDS:
            (folder / f"trust-{kind}.pem").write_text(answer[f"trust-{kind}"])
        (folder / "identity").write_text(identity.uri)
        return Pki(folder)

    def forged(self, kind, uris, *, valid=(-1, 1), uses=None, algorithm="ecdsa-p256"):
        """A certificate of the right issuer that no enrolment would give: any URI names, any validity
        (days from now), any extended key usages."""
        issuer = self.authority.issuers[
            kind, "traditional" if algorithm.startswith("ecdsa") else "post-quantum"
        ]
        key, now = certificates.generate_key(algorithm), datetime.now(UTC)
        names = [x509.UniformResourceIdentifier(uri) for uri in uris]
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(issuer.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=valid[0]))
            .not_valid_after(now + timedelta(days=valid[1]))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage(
                    uses or [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
                ),
                critical=False,
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
        leaf = builder.sign(issuer.key, certificates.hash_for(issuer.key))
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        chain = certificates.certificate_pem(leaf) + certificates.certificate_pem(issuer.certificate)
        (folder / f"{algorithm}.pem").write_bytes(chain)
        (folder / f"{algorithm}.key").write_bytes(certificates.key_pem(key))
        for each in KINDS:
            (folder / f"trust-{each}.pem").write_bytes(self.authority.trust(each))
        return Pki(folder)
