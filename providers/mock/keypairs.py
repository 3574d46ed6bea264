"""The keypairs of the mock cloud."""

import base64
import hashlib
import re
import sqlite3

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from providers.contract.calls import Receipt
from providers.contract.keypairs import Keypair, Keypairs
from providers.errors import Conflict, InvalidRequest, NotFound
from providers.mock.world.requests import check_name
from providers.mock.world.world import World

#: From microversion 2.92 on; before, neither "@" nor ".".
_NAME = re.compile(r"[_\-@. a-zA-Z0-9]+")


class MockKeypairs(Keypairs):
    def __init__(self, world: World) -> None:
        self._world = world
        world.store.keep(
            # NOCASE as under MySQL, where most clouds keep them.
            "CREATE TABLE IF NOT EXISTS keypairs"
            " (name TEXT PRIMARY KEY COLLATE NOCASE, fingerprint TEXT NOT NULL,"
            " public_key TEXT NOT NULL) WITHOUT ROWID"
        )

    def list_all(self) -> list[Keypair]:
        with self._world.call("keypairs.list_all"):
            db = self._world.store.connection()
            rows = db.execute("SELECT * FROM keypairs ORDER BY name")
            return [_to_keypair(row) for row in rows]

    def get(self, name: str) -> Keypair:
        with self._world.call("keypairs.get", subject=name):
            found = find_keypair(self._world.store.connection(), name)
            if found is None:
                raise _not_found(name)
            return found

    def create(self, name: str, public_key: str, *, request_id: str) -> Receipt:
        with self._world.call("keypairs.create", subject=name) as call:
            check_name(name)
            if not _NAME.fullmatch(name):
                raise InvalidRequest(
                    f"Invalid input for field/attribute name. Value: {name}.",
                    status=400,
                )
            row = (name, _fingerprint(public_key), public_key)
            with self._world.store.transaction() as db:
                try:
                    db.execute(
                        "INSERT INTO keypairs (name, fingerprint, public_key)"
                        " VALUES (?, ?, ?)",
                        row,
                    )
                except sqlite3.IntegrityError as exc:
                    raise Conflict(
                        f"Key pair '{name}' already exists.", status=409
                    ) from exc
            return Receipt(request_id=call.request_id, created_id=name)

    def delete(self, name: str, *, request_id: str) -> Receipt:
        with self._world.call("keypairs.delete", subject=name) as call:
            with self._world.store.transaction() as db:
                done = db.execute("DELETE FROM keypairs WHERE name = ?", (name,))
            if not done.rowcount:
                raise _not_found(name)
            return Receipt(request_id=call.request_id)


def find_keypair(db: sqlite3.Connection, name: str) -> Keypair | None:
    """Return the keypair with this name, if there is one."""
    row = db.execute("SELECT * FROM keypairs WHERE name = ?", (name,)).fetchone()
    return None if row is None else _to_keypair(row)


def _to_keypair(row: sqlite3.Row) -> Keypair:
    return Keypair(
        name=row["name"],
        type="ssh",
        fingerprint=row["fingerprint"],
        public_key=row["public_key"],
    )


def _fingerprint(public_key: str) -> str:
    # nova/crypto.py, which reads the key and then takes what is after its first space.
    try:
        load_ssh_public_key(public_key.encode())
        data = base64.b64decode(public_key.split(" ")[1])
    except (ValueError, IndexError, UnsupportedAlgorithm) as exc:
        raise InvalidRequest(
            "Keypair data is invalid: failed to generate fingerprint", status=400
        ) from exc
    return hashlib.md5(data, usedforsecurity=False).digest().hex(":")


def _not_found(name: str) -> NotFound:
    return NotFound(f"Keypair {name} not found for user demo", status=404)
