"""The certificates of `cryutils serve --phone`: an authority that phones trust, and the server's.

The authority can certify one name and addresses of one private network, nothing else.
"""

import re
import socket
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cryutils._io import paths
from cryutils._io.progress import say
from cryutils.errors import InputError

PEM = serialization.Encoding.PEM
PRIVATE = [IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
AUTHORITY, YEAR = timedelta(days=3650), timedelta(days=365)  # how long certificates are valid
EARLY = timedelta(days=2)  # they are valid from before now, for phones whose clocks are slow

_SIGNS = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # key_cert_sign, crl_sign


class Authority(NamedTuple):
    """A certificate authority, limited to a DNS name and a network."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def name(self) -> str:
        """The machine's name when the authority was made, such as baby.local."""
        limits = self.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        return str(next(iter(limits.permitted_subtrees or ())).value)

    @property
    def pem(self) -> bytes:
        """The certificate as phones install it."""
        return self.certificate.public_bytes(PEM)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate, as phones show it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(" ").upper()


def authority(folder: Path, address: IPv4Address) -> Authority:
    """Return the authority for the private network of `address`, in a file of `folder`.

    A new one is made if there is none that lasts a year. Raises InputError if the file is damaged.
    """
    network = next((block for block in PRIVATE if address in block), IPv4Network(address))
    path = folder / f"authority-{network.network_address}.pem"
    if path.exists():
        try:
            pem = path.read_bytes()
            key = serialization.load_pem_private_key(pem, None)
            old = Authority(key, x509.load_pem_x509_certificate(pem))  # type: ignore[arg-type]
            if old.name and old.certificate.not_valid_after_utc > datetime.now(UTC) + YEAR:
                return old
        except (ValueError, TypeError, StopIteration, x509.ExtensionNotFound) as error:
            raise InputError(f"{path}: damaged; delete it, then set up each phone again.") from error
        say("The certificate that phones have installed expires, and there is a new one: set up each again.")
    host = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().partition(".")[0].lower()).strip("-")[:40]
    name = f"{host or 'baby'}.local"
    limits = x509.NameConstraints([x509.DNSName(name), x509.IPAddress(network)], None)
    return _signed(path, f"Cry diary on {name}", limits, _SIGNS)


def certify(path: Path, by: Authority, address: IPv4Address) -> Path:
    """Write a key and a certificate for `address` and the authority's name, which is valid for a year."""
    names = x509.SubjectAlternativeName([x509.DNSName(by.name), x509.IPAddress(address)])
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    _signed(path, by.name, names, server, by=by)
    return path


def _signed(path: Path, title: str, *more: x509.ExtensionType, by: Authority | None = None) -> Authority:
    """Write a new key and its certificate to a file that nobody else may read.

    more: extensions. by: the authority that signs it; None: it is an authority and signs itself.
    """
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    issuer, signer = (by.certificate.subject, by.key) if by else (subject, key)
    own, end = key.public_key(), now + (YEAR if by else AUTHORITY)
    builder = x509.CertificateBuilder(issuer, subject, own, x509.random_serial_number(), now - EARLY, end)
    basic = x509.BasicConstraints(ca=by is None, path_length=None if by else 0)
    mine = x509.SubjectKeyIdentifier.from_public_key(own)
    issuers = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    for extension in (basic, *more, mine, issuers):
        is_critical = isinstance(extension, x509.BasicConstraints | x509.KeyUsage | x509.NameConstraints)
        builder = builder.add_extension(extension, is_critical)
    certificate = builder.sign(signer, hashes.SHA256())
    with paths.writing(path) as temporary:
        temporary.touch(0o600)
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        temporary.write_bytes(private + certificate.public_bytes(PEM))
    return Authority(key, certificate)
