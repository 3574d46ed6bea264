"""The secrets by which receivers know that a delivery is ours.

Signing takes the secret itself, so it is kept, encrypted with a key made of SECRET_KEY:
who has the database alone can sign nothing.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from functools import lru_cache
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

#: As Standard Webhooks writes them; scanners of code know it.
SCHEME = "whsec_"
#: Random bytes; the standard asks for 24 to 64.
SIZE = 32


class Unreadable(Exception):
    """None of the keys at hand has encrypted it."""


def new() -> str:
    """Return a new secret."""
    return SCHEME + base64.b64encode(secrets.token_bytes(SIZE)).decode()


def encrypt(secret: str) -> str:
    """Return a secret as it is stored."""
    return _cipher().encrypt(secret.encode()).decode()


def decrypt(stored: str) -> str:
    """Return a stored secret; raise Unreadable if SECRET_KEY was another one then.

    Those of SECRET_KEY_FALLBACKS are tried, too.
    """
    try:
        return _cipher().decrypt(stored.encode()).decode()
    except InvalidToken as error:
        raise Unreadable("The secret was encrypted with another SECRET_KEY.") from error


def refreshed(stored: str) -> str | None:
    """Return a stored secret under the present SECRET_KEY; ``None``: it is already."""
    try:
        _cipher_of((settings.SECRET_KEY,)).decrypt(stored.encode())
    except InvalidToken:
        return encrypt(decrypt(stored))
    return None


def sign(stored: str, id: UUID, timestamp: int, body: bytes) -> str:
    """Return the signature of a delivery: ``v1,`` and an HMAC-SHA256 in Base64."""
    key = base64.b64decode(decrypt(stored).removeprefix(SCHEME))
    signed = f"{id}.{timestamp}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{binascii.b2a_base64(digest, newline=False).decode()}"


def _cipher() -> MultiFernet:
    return _cipher_of((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


@lru_cache(maxsize=4)
def _cipher_of(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(k))) for k in keys])


def _derived(key: str) -> bytes:
    # Of its own: what else is made of SECRET_KEY tells nothing of this.
    hkdf = HKDF(SHA256(), length=32, salt=None, info=b"compute.webhooks.secrets")
    return hkdf.derive(key.encode())
