"""SSH keys: read public ones as OpenSSH writes them, and make new pairs."""

import base64
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_public_key,
)

#: Characters; an RSA key of 16,384 bits has 2,800. Nova fails on 65,536.
MAX_PUBLIC_KEY = 16_384

TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    # On a security key:
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)


@dataclass(frozen=True, slots=True)
class PublicKey:
    #: As OpenSSH writes it: ``ssh-ed25519``.
    type: str
    #: As `ssh-keygen -l` prints it: ``SHA256:…``.
    fingerprint: str


def read(line: str) -> PublicKey:
    """Return what a public key is: one line, TYPE BASE64 [COMMENT].

    Raises ValueError, with the reason for people.
    """
    _check_line(line)
    type, _, rest = line.partition(" ")
    if type not in TYPES:
        raise ValueError(f"Must begin with the type of the key: {', '.join(TYPES)}.")
    encoded = rest.split(" ", 1)[0]
    try:
        blob = base64.b64decode(encoded, validate=True)
    except ValueError:  # also for what is not ASCII
        blob = b""
    if not blob:
        raise ValueError(f"{type} and a space must be followed by the key in Base64.")
    try:
        _check_blob(blob, type, encoded)
    except (ValueError, UnsupportedAlgorithm, NotImplementedError) as error:
        # The last is for an ECDSA point that is compressed, which OpenSSH refuses, too.
        raise ValueError(f"The key is damaged: {str(error).rstrip('.')}.") from error
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return PublicKey(type, f"SHA256:{digest}")


def _check_line(line: str) -> None:
    if "PRIVATE KEY" in line:
        raise ValueError(
            "This is a private key, which you should never share. Send the public "
            "key, from the file that ends in .pub."
        )
    if len(line) > MAX_PUBLIC_KEY:
        raise ValueError(f"Must have at most {MAX_PUBLIC_KEY} characters.")
    if not line.isprintable():
        raise ValueError("Must be one line, without control characters.")
    if max(line, default="") > "\uffff":
        # As in names: Nova keeps it in MySQL's utf8, which has three bytes, and fails.
        raise ValueError("Must have no characters beyond U+FFFF, such as emoji.")


def _check_blob(blob: bytes, type: str, encoded: str) -> None:
    length = int.from_bytes(blob[:4])
    if blob[4 : 4 + length] != type.encode():
        raise ValueError("it is not of the type that it states")
    # As Nova does; whatever this refuses a cloud would refuse when it builds.
    key = load_ssh_public_key(f"{type} {encoded}".encode())
    if isinstance(key, RSAPublicKey) and not 1_024 <= key.key_size <= 16_384:
        raise ValueError(
            f"OpenSSH accepts RSA of 1,024 to 16,384 bits, not {key.key_size}"
        )


def generate() -> tuple[str, str]:
    """Return a new Ed25519 pair: the private key, and the line of the public one."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), public.decode()
