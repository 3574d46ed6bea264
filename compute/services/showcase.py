"""A furnished service: what one looks like that a few teams have used for a month."""

from collections.abc import Mapping

from django.db import transaction

from compute import clouds
from compute.events import Actor
from compute.models import VM, Project, Quota, Resource, Role, User, VMStatus
from compute.services import catalog, demo, projects, quotas, snapshots

#: Project -> how many VMs it has.
PROJECTS: Mapping[str, int] = {
    "shop": 60,
    "search": 40,
    "payments": 30,
    "mobile": 20,
    "sandbox": 19,
}
#: Who has which role where; nobody of them can log in.
PEOPLE: Mapping[str, Mapping[str, Role]] = {
    "ada": dict.fromkeys(PROJECTS, Role.ADMIN),
    "barbara": {"shop": Role.ADMIN, "payments": Role.MEMBER},
    "edsger": {"search": Role.MEMBER, "sandbox": Role.MEMBER},
    "grace": {"payments": Role.MEMBER, "shop": Role.MEMBER},
    "katherine": {"mobile": Role.MEMBER, "search": Role.READER},
    "linus": {"sandbox": Role.MEMBER, "shop": Role.READER},
}
#: In the days that it was used, each VM had so many operations, of which some failed.
DAYS, HISTORY, FAILING = 30, 8, 7
#: Of five VMs one is in the last cloud.
ELSEWHERE = 5
SNAPSHOTS = 4
#: The project that has all but used up its VMs, and how much of it, in percent.
FULL, USED = "sandbox", 95
#: What each may have twice as much of as it uses.
ROOMY = (Resource.VMS, Resource.VCPUS, Resource.RAM_MB, Resource.DISK_GB)
ACTOR = Actor("system")


def furnish() -> bool:
    """Add projects, people and their past; return whether there was none of it yet.

    Raises NotAMockError unless all clouds are mocks, and `ProviderError`.
    """
    if Project.objects.alive().filter(name__in=PROJECTS).exists():
        return False
    aliases = clouds.aliases()
    mocks = {alias: demo.mock_of(alias) for alias in aliases}
    for alias in aliases:
        catalog.refresh(alias)
    # As a whole, or it would count as furnished when it is not. The clouds that are
    # written to meanwhile are files here.
    with transaction.atomic():
        owners = _projects()
        wanted = [
            owners[name] for name, count in PROJECTS.items() for _ in range(count)
        ]
        first, last = aliases[0], aliases[-1]
        here = [p for n, p in enumerate(wanted) if n % ELSEWHERE]
        for alias, some in ((first, here), (last, wanted[::ELSEWHERE])):
            demo.fill(
                alias, mocks[alias], some, history=HISTORY, days=DAYS, failing=FAILING
            )
        for owner in owners.values():
            quotas.recount(owner)
            used = Quota.objects.filter(project=owner, resource__in=ROOMY)
            limits = {Resource(row.resource): 2 * row.used for row in used}
            quotas.update(owner, actor=ACTOR, limits=limits)
        limit = PROJECTS[FULL] * 100 // USED
        quotas.update(owners[FULL], actor=ACTOR, limits={Resource.VMS: limit})
    _take_snapshots(owners["shop"], first)
    return True


def _projects() -> dict[str, Project]:
    owners = {name: projects.create(name=name, actor=ACTOR) for name in PROJECTS}
    for username, roles in PEOPLE.items():
        user = User.objects.create_user(username)
        for name, role in roles.items():
            projects.set_member(owners[name], user, role=role, actor=ACTOR)
    return owners


def _take_snapshots(project: Project, cloud: str) -> None:
    """Ask for a few; the worker takes them."""
    ready = VM.objects.alive().filter(
        project=project, cloud=cloud, status=VMStatus.ACTIVE
    )
    for vm in ready.order_by("created_at")[:SNAPSHOTS]:
        actor = Actor("user:barbara")
        snapshots.create(vm, actor=actor, name=f"{vm.name}-before-upgrade")
