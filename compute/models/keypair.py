"""Keypair: a public SSH key that new VMs let in."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from compute import ssh_keys
from compute.models.owned import Owned, VersionedQuerySet


class KeypairQuerySet(VersionedQuerySet["Keypair"]):
    pass


def validate_public_key(value: Any) -> None:
    """Raise ValidationError, with the reason, unless it is a public key."""
    try:
        ssh_keys.read(value)
    except ValueError as error:
        raise ValidationError(str(error), code="invalid") from error


class Keypair(Owned):
    """A public key under a name, which is unique among those of its project.

    The private half is with its owner alone. A cloud has a copy of the public one while
    it builds a server (`compute.services.vms.keys`).
    """

    kind = "keypair"

    #: As OpenSSH writes it: ``ssh-ed25519``.
    type = models.CharField(max_length=64)
    #: As `ssh-keygen -l` prints it: ``SHA256:…``.
    fingerprint = models.CharField(max_length=64)
    #: One line: TYPE BASE64 [COMMENT].
    public_key = models.TextField(validators=(validate_public_key,))

    objects = KeypairQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("project", "name"),
                condition=Q(deleted_at=None),
                name="keypair_name_once_per_project",
            ),
        )
        indexes = (
            models.Index(fields=("created_at", "id"), name="keypair_by_creation"),
            models.Index(fields=("name", "id"), name="keypair_by_name"),
            models.Index(
                fields=("project", "created_at", "id", "deleted_at"),
                name="keypair_by_project_creation",
            ),
            models.Index(
                fields=("project", "name", "id"), name="keypair_by_project_name"
            ),
        )
