"""A certificate for the server, from an authority of the site's own: both are made at the installation.

The slot's own `cryptography` does the work, in a small program of the slot's Python. The authority's key stays in
`ca.key`, readable by the installer alone; clients are given `ca.pem`. ECDSA on P-384 (FIPS 186-5), certificates after
RFC 5280: the authority for twenty years and for server certificates only, the server's for two.
"""

from __future__ import annotations

import platform
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from bundle.manifest import REQUIREMENTS
from bundle.slots import Programs, find_user, make_folder
from bundle.words import _

CA, CA_KEY, CERTIFICATE, KEY = "ca.pem", "ca.key", "server.pem", "server.key"
_RENEW_S = 90 * 86400

_PROGRAM = """
import datetime, ipaddress, os, pathlib, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

folder, names = pathlib.Path(sys.argv[1]), sys.argv[2:]
now = datetime.datetime.now(datetime.timezone.utc)

def write(name, content, mode):
    temporary = folder / (name + ".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / name)

def write_key(name, key):
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    write(name, key.private_bytes(serialization.Encoding.PEM, *form), 0o600)

def certificate(subject, issuer, key, days):
    # a day before, since clocks of sealed networks differ
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    made = made.not_valid_after(now + datetime.timedelta(days=days))
    return made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)

def usage(**on):
    kinds = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{kind: on.get(kind, False) for kind in kinds})

def general(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

def common(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])

if not (folder / "ca.pem").exists():
    authority = ec.generate_private_key(ec.SECP384R1())
    who = common("Skerry local CA of " + names[0])
    made = certificate(who, who, authority.public_key(), 7300)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    made = made.add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
    write_key("ca.key", authority)
    write("ca.pem", made.sign(authority, hashes.SHA384()).public_bytes(serialization.Encoding.PEM), 0o644)

authority = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
issuer = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
key = ec.generate_private_key(ec.SECP384R1())
made = certificate(common(names[0]), issuer.subject, key.public_key(), 730)
made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
made = made.add_extension(usage(digital_signature=True), critical=True)
made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
made = made.add_extension(x509.SubjectAlternativeName([general(name) for name in names]), critical=False)
made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
write_key("server.key", key)
write("server.pem", made.sign(authority, hashes.SHA384()).public_bytes(serialization.Encoding.PEM), 0o644)
"""

# 0: it is good for 90 more days, for these names, and belongs to the key
_LOOK = """
import pathlib, sys, time
from cryptography import x509
from cryptography.hazmat.primitives import serialization
folder, until, names = pathlib.Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
try:
    found = x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())
    key = serialization.load_pem_private_key((folder / "server.key").read_bytes(), None)
except (OSError, ValueError):
    sys.exit(print("no"))
there = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
right = found.public_key() == key.public_key() and [str(one.value) for one in there] == names
print("yes" if right and found.not_valid_after_utc.timestamp() > until else "no")
"""


def possible(slot: Path) -> bool:
    """Tell whether the slot has the `cryptography` that makes certificates."""
    return re.search(r"^cryptography==", (slot / REQUIREMENTS).read_text("utf-8"), re.MULTILINE) is not None


def certify(slot: Path, folder: Path, programs: Programs, names: Sequence[str] = ()) -> Path:
    """Make the authority and the server's certificate where they are missing; renew the server's 90 days before its end.

    `names` are the host names and addresses that clients use, the machine's own name and loopback are added. The server's
    key is readable by the site's user alone. Returns the folder. Raises `InputError` when the slot's Python cannot do it.
    """
    make_folder(folder, 0o755)
    wanted = list(dict.fromkeys([*names, platform.node() or "localhost", "localhost", "127.0.0.1", "::1"]))
    python = [slot / "venv" / "bin" / "python", "-I", "-c"]
    what = _("cannot make the server's certificate")
    good = programs.run([*python, _LOOK, folder, time.time() + _RENEW_S, *wanted], what, as_user=False)
    if good.strip() != "yes":
        programs.run([*python, _PROGRAM, folder, *wanted], what, as_user=False)
    if programs.user:
        shutil.chown(folder / KEY, programs.user, find_user(programs.user).pw_gid)
    return folder
