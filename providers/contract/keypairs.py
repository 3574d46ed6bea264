"""Keypairs: the public keys that new servers let in."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from providers.contract.calls import Receipt


@dataclass(frozen=True, slots=True)
class Keypair:
    """A public key under a name."""

    name: str
    #: ``ssh`` or ``x509``.
    type: str
    #: Of ssh: the MD5 of the key, as 16 pairs of hexadecimal digits with colons.
    fingerprint: str
    #: As it was given, with its comment.
    public_key: str


class Keypairs(ABC):
    """The keypairs of our user, not of our project. Nobody else sees them.

    A server copies the key when it is created. It keeps that for its metadata, also
    when it is rebuilt or unshelved, and does not notice that the keypair is deleted.
    """

    @abstractmethod
    def list_all(self) -> list[Keypair]:
        """Return every keypair of our user."""

    @abstractmethod
    def get(self, name: str) -> Keypair:
        """Return one keypair.

        Raises `providers.errors.NotFound` when it is gone.
        """

    @abstractmethod
    def create(self, name: str, public_key: str, *, request_id: str) -> Receipt:
        """Add a public key, one line of OpenSSH's, as keypair of type ssh.

        It is there when this returns. ``name`` has 1 to 255 letters, digits, spaces,
        hyphens and underscores; a cloud may not tell upper case from lower.

        Raises the first of these that applies: `providers.errors.InvalidRequest` for a
        name that Nova refuses; `providers.errors.QuotaExceeded` when the quota of our
        user is full, also if the name is taken; `providers.errors.InvalidRequest` for
        a key that Nova refuses; `providers.errors.Conflict` when the name is taken,
        also by the same key.
        """

    @abstractmethod
    def delete(self, name: str, *, request_id: str) -> Receipt:
        """Delete a keypair; it is gone when this returns.

        Raises `providers.errors.NotFound` when it is gone already.
        """
