"""What every driver owes of keypairs, and of the servers made with one."""

import base64
import hashlib
from collections.abc import Callable
from uuid import uuid4

import pytest

from providers.contract.cloud import Cloud
from providers.contract.keypairs import Keypair
from providers.errors import Conflict, InvalidRequest, NotFound
from tests.support.contract_cloud import OTHER_IMAGE, Lab, new_request_id
from tests.support.ssh_keys import ecdsa_line, ed25519_line, private_pem, rsa_line

KEY = ed25519_line()
TYPE, DATA = KEY.split()

#: What is no line with a public key; each of them ends before anything is stored.
REFUSED_KEYS = {
    "nothing": "",
    "words": "not a key",
    "data alone": DATA,
    "type alone": TYPE,
    "cut off": KEY[:-10],
    "longer than a key": f"{KEY}AAAA",
    "another type": f"ssh-rsa {DATA}",
    "an unknown type": f"ssh-none {DATA}",
    "a space before": f" {KEY}",
    "options before": f'command="date" {KEY}',
    "a tab between": f"{TYPE}\t{DATA}",
    "two keys": f"{KEY}\n{ecdsa_line()}",
    "the private key": private_pem(),
}
REFUSED_NAMES = ("", "x" * 256, "a/b", "a,b", "ä", "a\tb", " a", "a ")


class KeypairContract:
    def test_a_keypair_is_there_at_once(self, lab: Lab) -> None:
        name, line = str(uuid4()), f"{KEY} jürgen@host"
        receipt = lab.keypair(name, line)
        assert receipt.request_id
        assert receipt.created_id == name
        digest = hashlib.md5(base64.b64decode(DATA), usedforsecurity=False).digest()
        expected = Keypair(name, "ssh", digest.hex(":"), line)
        assert lab.cloud.keypairs.get(name) == expected
        assert expected in lab.cloud.keypairs.list_all()

    def test_the_listing_has_every_keypair_once(self, lab: Lab) -> None:
        made = {str(uuid4()) for _ in range(5)}
        for name in made:
            lab.keypair(name)
        names = [keypair.name for keypair in lab.cloud.keypairs.list_all()]
        assert made <= set(names)
        assert len(names) == len(set(names))

    @pytest.mark.parametrize("make_line", [ed25519_line, ecdsa_line, rsa_line])
    @pytest.mark.parametrize("end", ["", " a comment", "\n"])
    def test_a_key_of_any_type_is_kept_as_it_was_given(
        self, lab: Lab, make_line: Callable[[], str], end: str
    ) -> None:
        name, line = str(uuid4()), make_line() + end
        lab.keypair(name, line)
        assert lab.cloud.keypairs.get(name).public_key == line

    @pytest.mark.parametrize("prefix", ["", "vm-", "a b_c-", "x" * 219])
    def test_a_name_has_letters_digits_spaces_hyphens_and_underscores(
        self, lab: Lab, prefix: str
    ) -> None:
        name = f"{prefix}{uuid4()}"
        lab.keypair(name)
        assert lab.cloud.keypairs.get(name).name == name
        lab.cloud.keypairs.delete(name, request_id=new_request_id())

    @pytest.mark.parametrize("name", REFUSED_NAMES)
    def test_another_name_is_invalid(self, cloud: Cloud, name: str) -> None:
        with pytest.raises(InvalidRequest) as caught:
            cloud.keypairs.create(name, KEY, request_id=new_request_id())
        assert caught.value.status == 400

    @pytest.mark.parametrize("line", REFUSED_KEYS.values(), ids=REFUSED_KEYS)
    def test_what_is_no_public_key_is_invalid(self, cloud: Cloud, line: str) -> None:
        name = str(uuid4())
        with pytest.raises(InvalidRequest) as caught:
            cloud.keypairs.create(name, line, request_id=new_request_id())
        assert caught.value.status == 400
        with pytest.raises(NotFound):
            cloud.keypairs.get(name)

    def test_a_name_is_taken_once(self, lab: Lab) -> None:
        name = str(uuid4())
        lab.keypair(name, KEY)
        for line in (KEY, ed25519_line()):
            with pytest.raises(Conflict) as caught:
                lab.keypair(name, line)
            assert caught.value.status == 409
            assert name in caught.value.message
        with pytest.raises(InvalidRequest):  # of two faults the key's is told
            lab.keypair(name, "not a key")
        assert lab.cloud.keypairs.get(name).public_key == KEY

    def test_a_deleted_keypair_is_gone(self, lab: Lab) -> None:
        name, keypairs = str(uuid4()), lab.cloud.keypairs
        lab.keypair(name)
        assert keypairs.delete(name, request_id=new_request_id()).request_id
        assert name not in {keypair.name for keypair in keypairs.list_all()}
        with pytest.raises(NotFound) as caught:
            keypairs.get(name)
        assert caught.value.status == 404
        with pytest.raises(NotFound):
            keypairs.delete(name, request_id=new_request_id())
        lab.keypair(name)

    def test_a_server_shows_its_keypair(self, lab: Lab) -> None:
        name = str(uuid4())
        lab.keypair(name)
        server_id, _ = lab.request(lab.spec(key_name=name))
        assert lab.cloud.servers.get(server_id).key_name == name
        assert lab.settle(server_id, "ACTIVE").key_name == name
        listed = {server.id: server for server in lab.cloud.servers.list_all()}
        assert listed[server_id].key_name == name
        without = lab.server_in("ACTIVE")
        assert without.key_name is None
        lab.put_back(without.id)

    def test_a_server_outlives_its_keypair(self, lab: Lab) -> None:
        name = str(uuid4())
        lab.keypair(name)
        server_id, _ = lab.request(lab.spec(key_name=name))
        lab.cloud.keypairs.delete(name, request_id=new_request_id())
        lab.settle(server_id, "ACTIVE")
        receipt = lab.cloud.servers.rebuild(
            server_id,
            image_id=lab.image(OTHER_IMAGE).id,
            request_id=new_request_id(),
        )
        lab.finish(server_id, receipt)
        assert lab.settle(server_id, "ACTIVE").key_name == name

    def test_an_unknown_keypair_is_invalid(self, lab: Lab) -> None:
        gone = str(uuid4())
        lab.keypair(gone)
        lab.cloud.keypairs.delete(gone, request_id=new_request_id())
        for name in (gone, f"no-{gone}"):
            spec = lab.spec(key_name=name)
            with pytest.raises(InvalidRequest, match="key_name") as caught:
                lab.cloud.servers.create(spec, request_id=new_request_id())
            assert caught.value.status == 400
            assert lab.cloud.servers.find(tag=spec.tag) == []
