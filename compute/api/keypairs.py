"""Keypairs: /keypairs."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from compute.access import Scope
from compute.api.http import filters, writes
from compute.api.http.fields import Id, Labels, Lines, Name, NoBody, RequestBody
from compute.api.http.viewset import ResourceViewSet
from compute.bodies.examples import PUBLIC_KEY
from compute.bodies.keypairs import KEYPAIR_BODY
from compute.models import Keypair
from compute.models.keypair import KeypairQuerySet
from compute.services import keypairs
from compute.ssh_keys import MAX_PUBLIC_KEY


class KeypairCreate(RequestBody):
    example = {"name": "alice", "public_key": PUBLIC_KEY}

    name = Name(help_text="Unique among the keypairs of the project.")
    project = Id(
        required=False,
        help_text=(
            "If omitted, the API token's project, or the default project if you may"
            " create there."
        ),
    )
    public_key = Lines(
        required=False,
        max_length=MAX_PUBLIC_KEY,
        style={"base_template": "textarea.html", "rows": 4},
        help_text=(
            "In OpenSSH's format: `ssh-ed25519 AAAA… comment`. If omitted, a pair "
            "is generated, and the answer contains its private key."
        ),
    )
    labels = Labels(required=False)


class KeypairFilter(filters.NamedFilterSet, filters.CreatedFilterSet):
    project = filters.UUIDIn(help_text="These projects.")
    fingerprint = filters.TextIn(help_text="These fingerprints.")
    search = filters.Search(help_text="Part of the name, or the beginning of the id.")
    label_selector = filters.LabelSelector()


class KeypairViewSet(ResourceViewSet[Keypair]):
    """Keypairs: public SSH keys for logging in to new VMs."""

    queryset = Keypair.objects.none()  # its model, for the schema
    noun = "keypair"
    about = "Public SSH keys for logging in to new VMs."
    is_in_navigation = True
    starts_operations = False
    shows = KEYPAIR_BODY
    filterset_class = KeypairFilter
    orderings = ("created_at", "name")
    counts_are_kept = True
    bodies = {"create": KeypairCreate, "destroy": NoBody}

    @staticmethod
    def readable(scope: Scope) -> QuerySet[Keypair]:
        every: KeypairQuerySet = Keypair.objects.alive()
        return scope.of(every, field="project_id")

    def create(self, request: Request) -> Response:
        """Add a keypair. Only this answer shows a generated private key."""
        body, actor = self.body(), self.actor
        project = self.project(body.pop("project", None))
        return writes.make(
            self,
            lambda: keypairs.create(project=project, actor=actor, **body),
            project_id=project.pk,
            shown_once="private_key",
        )

    def destroy(self, request: Request, id: Any) -> Response:
        """Delete it. VMs that were created with it keep their key."""
        keypair = self.get_object()
        self.body()
        keypairs.delete(keypair, actor=self.actor, expect=self.expect)
        return Response(status=204)
