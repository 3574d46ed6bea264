"""Which clouds a project may use: those of its list, or all there are."""

from collections.abc import Sequence

from compute import clouds
from compute.errors import ValidationError
from compute.models import Project


def usable_by(project: Project) -> list[str]:
    """Return the configured clouds that a project may use, its default one first."""
    configured = clouds.aliases()
    if project.clouds is None:
        return configured
    return [alias for alias in project.clouds if alias in configured]


def cloud_of(project: Project, named: str | None) -> str:
    """Return the cloud that a new thing goes to: the named one, or the project's default.

    Raises ValidationError, for the field ``cloud``: in the same words for a cloud that
    the project may not use and for one that does not exist.
    """
    usable = usable_by(project)
    if named is None and usable:
        return usable[0]
    if named in usable:
        return named
    detail = (
        "None of the clouds that the project may use is configured."
        if named is None
        else f"No cloud {named}."
    )
    raise ValidationError(
        [{"pointer": "#/cloud", "code": "does_not_exist", "detail": detail}]
    )


def check(aliases: Sequence[str] | None) -> None:
    """Raise ValidationError, for ``clouds``, for what cannot be the list of a project."""
    if aliases is None:
        return
    if not aliases:
        detail = "Name one at least; null is all of them."
        raise ValidationError(
            [{"pointer": "#/clouds", "code": "empty", "detail": detail}]
        )
    configured = set(clouds.aliases())
    errors: list[dict[str, str]] = []
    seen: set[str] = set()
    for position, alias in enumerate(aliases):
        fault = None
        if alias not in configured:
            fault = ("does_not_exist", f"No cloud {alias}.")
        elif alias in seen:
            fault = ("repeated", f"The cloud {alias} is listed twice.")
        if fault:
            code, detail = fault
            pointer = f"#/clouds/{position}"
            errors.append({"pointer": pointer, "code": code, "detail": detail})
        seen.add(alias)
    if errors:
        raise ValidationError(errors)
