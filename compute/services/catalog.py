"""Flavors and images: resolve what a client names, refresh from the clouds."""

import logging
from collections.abc import Mapping
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from compute import clouds
from compute.errors import ValidationError
from compute.models import VM, Cloud, Flavor, Image, Project
from compute.models.catalog import by_reference
from providers.errors import ProviderError

log = logging.getLogger(__name__)

Entry = TypeVar("Entry", Flavor, Image)


def flavor(reference: str, *, cloud: str) -> Flavor:
    """Return the offered flavor a client names, or raise ValidationError."""
    offered = Flavor.objects.offered().filter(cloud=cloud)
    return _only(offered, noun="flavor", reference=reference)


def image(reference: str, *, cloud: str, project: Project) -> Image:
    """Return the image a client names if the project may use it, or raise."""
    usable = Image.objects.offered().filter(
        Q(project=None) | Q(project=project), cloud=cloud
    )
    return _only(usable, noun="image", reference=reference)


def _only(rows: QuerySet[Entry], *, noun: str, reference: str) -> Entry:
    """Return the one row of a reference; an id is never taken for a name."""
    named = list(rows.filter(by_reference(reference)))
    matches = [row for row in named if row.has_id(reference)] or named
    if len(matches) == 1:
        return matches[0]
    code, detail = (
        ("ambiguous", f"{len(matches)} {noun}s have that name; give an id.")
        if matches
        else ("does_not_exist", f"No {noun} {reference}.")
    )
    raise ValidationError([{"pointer": f"#/{noun}", "code": code, "detail": detail}])


def check_fits(image: Image, *, disk_gb: int, ram_mb: int, pointer: str) -> None:
    """Raise ValidationError, pointing at the field, if the image needs more."""
    if image.min_disk_gb > disk_gb or image.min_ram_mb > ram_mb:
        detail = (
            f"Image {image.name} needs {image.min_disk_gb} GB disk and "
            f"{image.min_ram_mb} MB RAM; there are {disk_gb} GB and {ram_mb} MB."
        )
        raise ValidationError(
            [{"pointer": pointer, "code": "too_small", "detail": detail}]
        )


def check_resizable(vm: VM, flavor: Flavor) -> None:
    """Raise ValidationError for a resize Nova would refuse: same, or smaller disk."""
    if flavor.pk == vm.flavor_id:
        code, detail = "unchanged", f"The VM already has flavor {flavor.name}."
    elif flavor.disk_gb < vm.disk_gb:
        code = "smaller_disk"
        detail = f"A disk cannot shrink from {vm.disk_gb} to {flavor.disk_gb} GB."
    else:
        return
    raise ValidationError([{"pointer": "#/flavor", "code": code, "detail": detail}])


def refresh(alias: str) -> None:
    """Copy a cloud's flavors and images; mark, never remove, what is gone.

    Raises `providers.errors.ProviderError` before anything is written if a listing
    fails.
    """
    cloud = clouds.get(alias)
    flavors = cloud.flavors.list_all()
    images = cloud.images.list_all()
    # What Nova keeps of a shelved VM is nobody's to boot.
    ours = set(
        VM.objects.filter(
            cloud=alias, server_id__in=[i.server_id for i in images if i.server_id]
        ).values_list("server_id", flat=True)
    )
    with transaction.atomic():
        # Two processes may refresh at once: this row's lock makes them take turns.
        Cloud.objects.update_or_create(
            alias=alias, defaults={"catalog_refreshed_at": timezone.now()}
        )
        _store(
            Flavor,
            Flavor.objects.filter(cloud=alias),
            alias,
            {
                f.id: {
                    "name": f.name,
                    "vcpus": f.vcpus,
                    "ram_mb": f.ram_mb,
                    "disk_gb": f.disk_gb,
                }
                for f in flavors
            },
        )
        _store(
            Image,
            # A snapshot's image lives and goes with its snapshot instead.
            Image.objects.filter(cloud=alias, project=None),
            alias,
            {
                i.id: {
                    "name": i.name,
                    "status": i.status,
                    "visibility": i.visibility,
                    "size_bytes": i.size_bytes,
                    "min_disk_gb": i.min_disk_gb,
                    "min_ram_mb": i.min_ram_mb,
                }
                # What somebody is still uploading is not offered yet, and the image
                # of a snapshot enters the catalogue when its operation ends.
                for i in images
                if i.status == Image.ACTIVE
                and i.tag is None
                and i.server_id not in ours
            },
        )


def keep_fresh(alias: str) -> None:
    """Refresh a cloud's catalogue; if the cloud cannot answer, keep what there is."""
    try:
        refresh(alias)
    except ProviderError as error:
        log.warning("The catalogue of %s was not refreshed: %s", alias, error)
    except Exception:
        # A wrong setting, or a defect of the driver: tell, and try again in time.
        log.exception("The catalogue of %s was not refreshed", alias)


def loaded() -> bool:
    """Whether every configured cloud's catalogue has been read once."""
    read = Cloud.objects.filter(
        alias__in=clouds.aliases(), catalog_refreshed_at__isnull=False
    )
    return read.count() == len(clouds.aliases())


def _store(
    model: type[Entry],
    known: QuerySet[Entry],
    alias: str,
    offered: Mapping[str, Mapping[str, Any]],
) -> None:
    now = timezone.now()
    rows = {row.provider_id: row for row in known}
    model._default_manager.bulk_create(
        model(cloud=alias, provider_id=provider_id, **facts)
        for provider_id, facts in offered.items()
        if provider_id not in rows
    )
    for provider_id, row in rows.items():
        facts = offered.get(provider_id)
        if facts is None:
            if row.vanished_at is None:
                row.vanished_at = row.updated_at = now
                row.save(update_fields=["vanished_at", "updated_at"])
        elif row.vanished_at is not None or any(
            getattr(row, name) != value for name, value in facts.items()
        ):
            for name, value in facts.items():
                setattr(row, name, value)
            row.vanished_at, row.updated_at = None, now
            row.save()
