"""Filters of the lists. None loads a table: what grows is cut."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst

from compute import clouds
from compute.admin.console.dates import DatesFilter
from compute.admin.console.display import ALL_PROJECTS
from compute.models import Cloud, Flavor, Project

#: Choices a filter offers at most; a value beyond them still works in the address.
LIMIT = 20

Choices = list[tuple[Any, str]]


class OfferedFilter(admin.EmptyFieldListFilter):
    """By whether the cloud still offers what was copied from it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "availability"

    def choices(self, changelist: Any) -> Any:
        labels = ("All", "Offered by the cloud", "No longer offered")
        for choice, label in zip(super().choices(changelist), labels, strict=True):
            yield {**choice, "display": label}


CREATED = ("created_at", DatesFilter)
OFFERED = ("vanished_at", OfferedFilter)


class StatusFilter(admin.SimpleListFilter):
    """By the words that the badges show; some of them under one word."""

    title = "status"
    parameter_name = "status__exact"
    #: Word -> the statuses that it stands for, of which each is also taken alone.
    words: ClassVar[Mapping[str, Collection[str]]] = {}
    #: What is looked for most, first.
    first: ClassVar[Sequence[str]] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        known = [value for value, _ in model_admin.opts.get_field("status").flatchoices]
        hidden = {status for statuses in self.words.values() for status in statuses}
        hidden -= {request.GET.get(str(self.parameter_name))}
        others = [value for value in known if value not in {*self.first, *hidden}]
        words = [(word, capfirst(word)) for word in self.words]
        return [
            *zip(self.first, self.first, strict=True),
            *words,
            *zip(others, others, strict=True),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value and value in self.words:
            return queryset.filter(status__in=self.words[value])
        return queryset.filter(status=value) if value else queryset


class DeletedFilter(admin.SimpleListFilter):
    """Hides what is deleted until asked for it."""

    title = "deleted"
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("yes", "Deleted only"), ("all", "With deleted")]

    def choices(self, changelist: Any) -> Any:
        for number, choice in enumerate(super().choices(changelist)):
            yield {**choice, "display": "Not deleted"} if number == 0 else choice

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "yes":
            return queryset.exclude(deleted_at=None)
        if self.value() == "all" or request.GET.get("status__exact") == "DELETED":
            return queryset
        return queryset.filter(deleted_at=None)


class CutFilter(admin.SimpleListFilter, ABC):
    """Offers the first rows of a table, and whatever is chosen already."""

    field: str

    #: Without it no rows are listed; a value in the address still works.
    permission: str

    @abstractmethod
    def rows(self) -> Iterable[tuple[Any, str]]:
        """Return the first values with their labels."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        rows = self.rows() if request.user.has_perm(self.permission) else ()
        choices = {str(value): label for value, label in rows}
        # `value` is not known yet while the choices are made.
        chosen = request.GET.get(str(self.parameter_name))
        if chosen:
            choices.setdefault(chosen, chosen)
        return list(choices.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        try:
            return queryset.filter(**{self.field: self.value()})
        except ValidationError as error:
            raise IncorrectLookupParameters(error) from error


class ProjectFilter(CutFilter):
    title = "project"
    parameter_name = "project"
    field = "project"
    permission = "compute.view_project"

    def rows(self) -> Iterable[tuple[Any, str]]:
        return Project.objects.alive().values_list("pk", "name")[:LIMIT]


class OwnerFilter(ProjectFilter):
    """By project, or what the clouds offer to all of them."""

    OFFERED = "none"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        choices = super().lookups(request, model_admin)
        others = [choice for choice in choices if choice[0] != self.OFFERED]
        return [(self.OFFERED, ALL_PROJECTS), *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == self.OFFERED:
            return queryset.filter(project=None)
        return super().queryset(request, queryset)


class CloudFilter(CutFilter):
    title = "cloud"
    parameter_name = "cloud"
    field = "cloud"
    permission = "compute.view_cloud"

    def rows(self) -> Iterable[tuple[Any, str]]:
        # Those observed once, configured or not, before those that never answered.
        observed = list(Cloud.objects.values_list("alias", flat=True)[:LIMIT])
        return [
            (alias, alias) for alias in dict.fromkeys([*clouds.aliases(), *observed])
        ]


class FlavorFilter(CutFilter):
    title = "flavor"
    parameter_name = "flavor"
    permission = "compute.view_flavor"

    def rows(self) -> Iterable[tuple[Any, str]]:
        names = Flavor.objects.order_by("name").values_list("name", flat=True)
        return [(name, name) for name in names.distinct()[:LIMIT]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        # Their ids: of these the database knows how many VMs have them.
        named = Flavor.objects.filter(name=self.value()).values_list("pk", flat=True)
        return queryset.filter(flavor__in=list(named))
