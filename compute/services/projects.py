"""Projects and their members."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet

from compute import events
from compute.errors import (
    LastAdmin,
    NameConflict,
    NotFound,
    ResourceInUse,
    ValidationError,
)
from compute.events import Actor
from compute.expected import Expect, check_expected
from compute.limits import is_id
from compute.models import APIToken, Membership, Project, Role, User
from compute.models.kinds import KINDS
from compute.models.project import DEFAULT_PROJECT_NAME
from compute.services import allowed_clouds, fields, quotas, rows, tokens

#: What `update` may change.
EDITABLE = frozenset({"name", "description", "clouds"})


def create(
    *,
    name: str,
    actor: Actor,
    description: str = "",
    clouds: Sequence[str] | None = None,
    admin: User | None = None,
    seen: QuerySet[Project] | None = None,
) -> Project:
    """Make a project, with its quotas and, if one is named, its first admin.

    ``clouds`` are the aliases of those it may use, its default one first; ``None``: all.
    Raises ValidationError for an unknown one, and NameConflict when one of ``seen``, the
    projects that the actor may see, has the name; ``None``: one of all.
    """
    listed = None if clouds is None else list(clouds)
    with transaction.atomic():
        project = Project(name=name, description=description, clouds=listed)
        fields.check(project, "name", "description")
        allowed_clouds.check(listed)
        _check_name(project, seen)
        project.save(force_insert=True)
        quotas.open_for(project)
        details = {"name": name} if listed is None else {"name": name, "clouds": listed}
        events.record("project.created", actor=actor, project=project, details=details)
        if admin is not None:
            set_member(project, admin, role=Role.ADMIN, actor=actor)
    return project


def update(
    project: Project,
    *,
    actor: Actor,
    changes: Mapping[str, Any],
    expect: Expect = None,
    seen: QuerySet[Project] | None = None,
) -> Project:
    """Change its name, its description or the clouds it may use.

    What it has in a cloud that is taken away stays, and can be worked with. Raises
    ResourceInUse for another name of the default project, which is found by it,
    and ValidationError and NameConflict as `create` does.
    """
    rows.require_editable(changes, EDITABLE)
    with transaction.atomic():
        project = rows.lock(project)
        check_expected(project, expect)
        was_default = project.is_default
        changed = project.apply_changes(changes)
        if not changed:
            return project
        if "name" in changed and was_default:
            raise ResourceInUse("The default project keeps its name.")
        fields.check(project, *changed)
        if "clouds" in changed:
            allowed_clouds.check(project.clouds)
        if "name" in changed:
            _check_name(project, seen)
        project.save_changes()
        events.record("project.updated", actor=actor, project=project, changes=changed)
    return project


def delete(project: Project, *, actor: Actor, expect: Expect = None) -> None:
    """Delete a project that holds nothing; its row and its history stay.

    Its members leave it and its tokens are revoked. Raises ResourceInUse while it
    has anything, and for the default project.
    """
    with transaction.atomic():
        quotas.close_for(project)
        project = rows.lock(project)
        check_expected(project, expect)
        if project.is_default:
            raise ResourceInUse("The default project cannot be deleted.")
        held = {
            kind.plural: kind.model._default_manager.filter(
                project=project, deleted_at=None
            ).count()
            for kind in KINDS.values()
        }
        if any(held.values()):
            words = [
                f"{number} {_noun(kind.model, number)}"
                for kind, number in zip(KINDS.values(), held.values(), strict=True)
                if number
            ]
            *most, last = words
            listed = f"{', '.join(most)} and {last}" if most else last
            raise ResourceInUse(f"The project still has {listed}.", **held)
        for token in APIToken.objects.alive().filter(project=project):
            tokens.revoke(token, actor=actor)
        project.memberships.all().delete()
        project.mark_deleted()
        project.save_changes()
        events.record("project.deleted", actor=actor, project=project)


def _noun(model: type[Model], number: int) -> str:
    opts = model._meta
    return str(opts.verbose_name if number == 1 else opts.verbose_name_plural)


def set_member(
    project: Project, user: User, *, role: Role, actor: Actor, expect: Expect = None
) -> Membership:
    """Give a user a role in a project, in place of the one it may have.

    Raises LastAdmin when the project's only admin would be none any more.
    """
    with transaction.atomic():
        project = rows.lock(project)
        membership = Membership.objects.filter(project=project, user=user).first()
        check_expected(membership, expect)
        if membership is None:
            made = Membership.objects.create(project=project, user=user, role=role)
            _record_member("added", made, actor=actor, role=[None, role])
            return made
        if membership.role != role:
            _keep_an_admin(membership)
            before, membership.role = membership.role, role
            membership.save(update_fields=["role"])
            _record_member("changed", membership, actor=actor, role=[before, role])
    return membership


def remove_member(
    project: Project, user: User, *, actor: Actor, expect: Expect = None
) -> None:
    """Take a user out of a project, and revoke the API tokens they have there.

    Else the tokens would work again once somebody adds the user again. Raises
    LastAdmin, and NotFound for a stranger.
    """
    with transaction.atomic():
        project = rows.lock(project)
        membership = Membership.objects.filter(project=project, user=user).first()
        if membership is None:
            raise NotFound(f"No member {user.get_username()}.")
        check_expected(membership, expect)
        _keep_an_admin(membership)
        for token in APIToken.objects.alive().filter(project=project, user=user):
            tokens.revoke(token, actor=actor)
        membership.delete()
        _record_member("removed", membership, actor=actor, role=[membership.role, None])


def _keep_an_admin(leaving: Membership) -> None:
    # Under the project's lock, so that of two admins who remove each other one stays.
    if leaving.role != Role.ADMIN:
        return
    others = Membership.objects.filter(project=leaving.project_id, role=Role.ADMIN)
    if not others.exclude(pk=leaving.pk).exists():
        raise LastAdmin("Make somebody else an admin first.")


def _record_member(
    word: str, member: Membership, *, actor: Actor, role: Sequence[Any]
) -> None:
    events.record(
        f"membership.{word}",
        actor=actor,
        subject=member,
        changes={"role": list(role)},
        details={"user": member.user.get_username()},
    )


def _check_name(project: Project, seen: QuerySet[Project] | None) -> None:
    """Refuse a name that could be taken for an id, or for a project that is seen.

    A project that the actor may not see is no obstacle: a refusal would tell of it. So
    names may repeat, and whoever looks a project up by name asks for the id then.
    """
    if is_id(project.name):
        detail = "Must not look like an id."
        raise ValidationError(
            [{"pointer": "#/name", "code": "invalid", "detail": detail}]
        )
    others = Project.objects.alive() if seen is None else seen
    same = others.filter(name=project.name).exclude(pk=project.pk)
    if project.name == DEFAULT_PROJECT_NAME or same.exists():
        raise NameConflict(f"There is already a project {project.name}.")
