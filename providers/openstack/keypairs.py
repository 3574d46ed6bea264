"""The keypairs of Nova."""

from urllib.parse import quote

from providers.contract.calls import Receipt
from providers.contract.keypairs import Keypair, Keypairs
from providers.openstack.wire.answers import Json, reading
from providers.openstack.wire.refusals import request_id_of
from providers.openstack.wire.transport import Transport


class OpenStackKeypairs(Keypairs):
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list_all(self) -> list[Keypair]:
        with reading("nova"):
            found = self._transport.read_all("nova", "/os-keypairs", "keypairs")
            return [_to_keypair(body) for body in found]

    def get(self, name: str) -> Keypair:
        with reading("nova"):
            return _to_keypair(self._transport.read("nova", _path(name)))

    def create(self, name: str, public_key: str, *, request_id: str) -> Receipt:
        answer = self._transport.request(
            "nova",
            "POST",
            "/os-keypairs",
            json={"keypair": {"name": name, "public_key": public_key}},
            request_id=request_id,
        )
        return Receipt(request_id_of(answer), name)

    def delete(self, name: str, *, request_id: str) -> Receipt:
        answer = self._transport.request(
            "nova", "DELETE", _path(name), request_id=request_id
        )
        return Receipt(request_id_of(answer))


def _path(name: str) -> str:
    return f"/os-keypairs/{quote(name, safe='')}"


def _to_keypair(body: Json) -> Keypair:
    """Return a keypair; a listing, too, wraps each one in a member of its own."""
    keypair = body["keypair"]
    return Keypair(
        name=keypair["name"],
        type=keypair["type"],
        fingerprint=keypair["fingerprint"],
        public_key=keypair["public_key"],
    )
