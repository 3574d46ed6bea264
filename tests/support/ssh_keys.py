"""SSH keys, new ones each time."""

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

Private = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def public_line(key: Private) -> str:
    """Return the public half as OpenSSH writes it, without a comment."""
    public = key.public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def ed25519_line() -> str:
    return public_line(ed25519.Ed25519PrivateKey.generate())


def ecdsa_line() -> str:
    return public_line(ec.generate_private_key(ec.SECP256R1()))


def rsa_line() -> str:
    return public_line(rsa.generate_private_key(65537, 2048))


def private_pem() -> str:
    """Return what somebody pastes who takes the wrong file."""
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
    ).decode()
