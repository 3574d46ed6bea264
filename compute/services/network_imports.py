"""Import: adopt networks, and what belongs to them, that exist in a cloud and not here.

Nothing is done in the cloud, so there is no operation. What the cloud offers to all
stays so, and what another row has, or had, is left alone.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from compute import events
from compute.errors import ValidationError
from compute.events import SYSTEM
from compute.models import (
    FloatingIP,
    Network,
    Project,
    ResourceStatus,
    Router,
    SecurityGroup,
    Subnet,
)
from compute.models.kinds import held_by
from compute.services import (
    allowed_clouds,
    fields,
    network_pass,
    networks,
    quotas,
    rows,
    subnets,
)
from compute.services.resources.calls import owner_of
from providers.errors import ProviderError

log = logging.getLogger(__name__)


class CannotImportError(Exception):
    """The cloud does not list its networks now."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one thing of the cloud."""

    kind: str
    id: str
    name: str
    #: Why it was left alone; empty: it was adopted, or would be.
    skipped: str = ""


def import_networks(
    alias: str, project: Project, *, dry_run: bool = False
) -> Iterator[Imported]:
    """Adopt the networks, subnets, routers, groups and floating IPs that nobody has.

    Says for each what became of it, and may be repeated. ``dry_run`` says the same and
    writes nothing. Raises `CannotImportError` before it adopts anything.
    """
    started = timezone.now()
    if alias not in allowed_clouds.usable_by(project):
        raise CannotImportError(f"The project may not use the cloud {alias}.")
    try:
        listing = network_pass.list_all(alias, started, None)
    except ProviderError as error:
        raise CannotImportError(f"The cloud {alias} cannot be read: {error}") from error
    if not dry_run:
        # What the cloud offers to all comes first: routers lead there.
        network_pass.follow(alias, listing)
    adopting = _Adopting(alias, project, dry_run=dry_run)
    yield from adopting.each(Network, listing.networks.values())
    yield from adopting.each(Subnet, listing.subnets.values())
    yield from adopting.each(Router, listing.routers.values())
    yield from adopting.each(SecurityGroup, listing.groups.values())
    yield from adopting.each(FloatingIP, listing.floating_ips.values())
    if not dry_run:
        _link(alias)


def _link(alias: str) -> None:
    """Have the pass show which of the adopted things belong together, and to VMs.

    What was made since the first listing is not in that, so it takes another.
    """
    try:
        listing = network_pass.list_all(alias, timezone.now(), None)
    except ProviderError as error:
        log.warning("%s is left to the next pass: %s", alias, error)
        return
    network_pass.follow(alias, listing)


class _Adopting:
    """One import into one project."""

    def __init__(self, alias: str, project: Project, *, dry_run: bool) -> None:
        self.alias = alias
        self.project = project
        self.dry_run = dry_run
        #: The cloud's ids of the networks that are the project's, or would be.
        self.networks: set[str] = set(
            Network.objects.alive()
            .filter(cloud=alias, project=project)
            .values_list("provider_id", flat=True)
        )

    def each(self, model: Any, listed: Iterable[Any]) -> Iterator[Imported]:
        """Adopt things of one kind."""
        known = model.objects.filter(cloud=self.alias)
        owners = dict(known.values_list("provider_id", "project__name"))
        ours = {str(pk) for pk in known.values_list("pk", flat=True)}
        for thing in listed:
            row = self._row(model, thing)
            reason = self._why_not(row, thing, owners, ours)
            if not reason and not self.dry_run:
                reason = self._adopt(row, thing)
            if not reason and model is Network:
                self.networks.add(thing.id)
            yield Imported(model.kind, thing.id, str(row), reason)

    def _why_not(
        self, row: Any, thing: Any, owners: dict[str, str | None], ours: set[str]
    ) -> str:
        if thing.id in owners:
            owner = owners[thing.id]
            return f"project {owner} has it" if owner else "it is offered to all"
        if str(owner_of(thing.marker)) in ours:
            return "it was made here"
        is_offered = (isinstance(row, Network) and thing.is_offered) or (
            isinstance(row, SecurityGroup) and thing.is_default
        )
        if is_offered:
            return "it is offered to all"
        if isinstance(row, Subnet) and thing.network_id not in self.networks:
            return "its network is not the project's"
        if isinstance(row, FloatingIP) and not self._outside(thing.network_id):
            return "its network is not known here"
        try:
            fields.check(row, "name")
        except ValidationError as error:
            return f"its name is not valid: {error.detail}"
        return ""

    def _row(self, model: Any, thing: Any) -> Any:
        row = model(
            project=self.project,
            cloud=self.alias,
            provider_id=thing.id,
            status=ResourceStatus.ACTIVE,
            name=getattr(thing, "name", ""),
        )
        match row:
            case Network():
                networks.note(row, thing)
            case Subnet():
                row.name = row.name or thing.cidr
                subnets.note(row, thing)
            case FloatingIP():
                row.address = thing.address
        row.name = row.name or ("" if isinstance(row, FloatingIP) else thing.id)
        return row

    def _outside(self, network_id: str) -> Network | None:
        there = Network.objects.alive().filter(cloud=self.alias, external=True)
        return there.filter(provider_id=network_id).first()

    def _adopt(self, row: Any, thing: Any) -> str:
        """Write the row; return why not if somebody else just did."""
        row.created_at = row.updated_at = timezone.now()
        try:
            with transaction.atomic():
                if isinstance(row, Subnet | FloatingIP):
                    there = Network.objects.filter(cloud=self.alias)
                    row.network = there.get(provider_id=thing.network_id)
                row.save(force_insert=True)
                # It is there, whatever the limit says.
                quotas.count(self.project.pk, held_by(row))
                rows.lock(self.project)
                events.record(
                    f"{row.kind}.imported",
                    actor=SYSTEM,
                    subject=row,
                    details={"provider_id": row.provider_id},
                )
        except IntegrityError:
            return "another import was faster"
        return ""
