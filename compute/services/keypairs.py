"""Keypairs: public keys that new VMs let in. Nothing is asked of a cloud until then."""

from collections.abc import Mapping

from django.db import IntegrityError, transaction
from django.utils import timezone

from compute import events, ssh_keys
from compute.errors import NameConflict, ValidationError
from compute.events import Actor
from compute.expected import Expect, check_expected
from compute.limits import is_id
from compute.models import Keypair, Project
from compute.models.kinds import held_by
from compute.services import fields, quotas, rows


def create(
    *,
    project: Project,
    actor: Actor,
    name: str,
    public_key: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> tuple[Keypair, str | None]:
    """Add a keypair; return it, and its private key if it was generated here.

    Without a public key an Ed25519 pair is generated, of which the private half is not
    stored: nobody can read it again. Raises ValidationError for a key that is none,
    NameConflict when the project has a keypair of that name, and ResourceLimitExceeded
    when its quota has no room.
    """
    private_key = None
    if public_key is None:
        private_key, public_key = ssh_keys.generate()
    keypair = Keypair(
        project=project,
        name=name,
        labels=dict(labels or {}),
        # A file of one ends in a line break.
        public_key=public_key.rstrip("\r\n"),
    )
    fields.check(keypair, "name", "labels", "public_key")
    key = ssh_keys.read(keypair.public_key)
    keypair.type, keypair.fingerprint = key.type, key.fingerprint
    with transaction.atomic():
        quotas.reserve(project.pk, held_by(keypair))
        try:
            with transaction.atomic():
                keypair.save(force_insert=True)
        except IntegrityError as error:
            raise NameConflict(f"There is already a keypair {name}.") from error
        events.record(
            "keypair.created",
            actor=actor,
            subject=keypair,
            details={"fingerprint": keypair.fingerprint},
        )
    return keypair, private_key


def delete(keypair: Keypair, *, actor: Actor, expect: Expect = None) -> Keypair:
    """Delete a keypair; VMs that were made with it keep the key they have."""
    with transaction.atomic():
        keypair = rows.lock(keypair)
        check_expected(keypair, expect)
        held = held_by(keypair)
        keypair.deleted_at = timezone.now()
        keypair.counted = False
        # Before the name is free: who makes another one of it holds the quota, and
        # waits at the index for whoever gives the name up.
        quotas.settle(keypair.project_id, before=held, after=held_by(keypair))
        keypair.save_changes()
        events.record("keypair.deleted", actor=actor, subject=keypair)
    return keypair


def find(reference: str, *, project: Project) -> Keypair:
    """Return the keypair of a project that a client names by id or name.

    Raises ValidationError, for the field ``keypair``.
    """
    alive = Keypair.objects.alive().filter(project=project)
    by_id = alive.filter(pk=reference).first() if is_id(reference) else None
    keypair: Keypair | None = by_id or alive.filter(name=reference).first()
    if keypair is None:
        detail = f"The project has no keypair {reference}."
        raise ValidationError(
            [{"pointer": "#/keypair", "code": "does_not_exist", "detail": detail}]
        )
    return keypair
