"""What an operator can type. The limits are those of the API."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

from compute import clouds
from compute.models import (
    VM,
    Membership,
    Project,
    Quota,
    Resource,
    Snapshot,
    User,
    UserDataEncoding,
)
from compute.models.limits import (
    LINE,
    LINES,
    MAX_DESCRIPTION,
    MAX_LABELS,
    MAX_LIMIT,
    MAX_NAME,
    MAX_USER_DATA_TEXT,
    is_label_key,
    is_label_value,
)


class LineField(forms.CharField):
    """What something is called; whether it can be a name says the model."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.TextInput(attrs={"class": "vTextField"}))
        kwargs.setdefault("max_length", MAX_NAME)
        super().__init__(**kwargs)
        # Django trims what a form sends, so only the inside is left to refuse.
        self.validators.append(
            RegexValidator(LINE, "Must not contain control characters.")
        )


class LinesField(forms.CharField):
    """Text of several lines, kept as typed."""

    def __init__(self, *, rows: int = 3, **kwargs: Any) -> None:
        attributes = {"rows": rows, "class": "vLargeTextField"}
        kwargs.setdefault("max_length", MAX_DESCRIPTION)
        super().__init__(
            required=False,
            strip=False,
            widget=forms.Textarea(attrs=attributes),
            **kwargs,
        )
        self.validators.append(
            RegexValidator(LINES, "Must not contain control characters.")
        )

    def to_python(self, value: Any) -> str:
        # A form sends CRLF for what was stored as LF: that is not a change.
        return str(super().to_python(value)).replace("\r\n", "\n")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or "") != self.to_python(data)


class LabelsField(forms.CharField):
    """Labels, one ``key=value`` a line."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "One key=value a line.")
        super().__init__(
            required=False,
            widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
            **kwargs,
        )

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return "\n".join(f"{key}={text}" for key, text in value.items())
        return value

    def clean(self, value: Any) -> Any:
        return self.parse(super().clean(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool((initial or {}) != self.parse(data or ""))
        except ValidationError:
            return True

    def parse(self, text: str) -> dict[str, str]:
        labels: dict[str, str] = {}
        for line in filter(None, (line.strip() for line in text.splitlines())):
            key, equals, value = line.partition("=")
            if not equals:
                raise ValidationError(f"“{line}” is not key=value.")
            if not is_label_key(key):
                raise ValidationError(f"“{key}” is not a key of a label.")
            if not is_label_value(value):
                raise ValidationError(f"“{value}” is not a value of a label.")
            if key in labels:
                raise ValidationError(f"“{key}” is there twice.")
            labels[key] = value
        if len(labels) > MAX_LABELS:
            raise ValidationError(f"At most {MAX_LABELS} labels.")
        return labels


class _VersionedForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in its stubs only
    """What is ours alone to change, and the version that the operator saw."""

    name = LineField()
    description = LinesField()
    version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        seen = data.get("version")
        if seen is not None and seen != self.instance.version:
            raise ValidationError(
                "Somebody changed it meanwhile: you saw version "
                f"{seen}, it is at {self.instance.version} now. Nothing was saved. "
                "Reload the page and make your change again."
            )
        return data


class _OwnedForm(_VersionedForm):
    labels = LabelsField()


class VMForm(_OwnedForm):
    class Meta:
        model = VM
        fields = ("name", "description", "labels", "delete_protection")


class SnapshotForm(_OwnedForm):
    class Meta:
        model = Snapshot
        fields = ("name", "description", "labels")


class ProjectForm(_VersionedForm):
    #: What the service said to what was typed; the form shows it and keeps the rest.
    refused: ClassVar[str | None] = None

    class Meta:
        model = Project
        fields = ("name", "description")

    def clean(self) -> dict[str, Any]:
        if self.refused is not None:
            raise ValidationError(self.refused)
        return super().clean()


def _active_user(name: str) -> User:
    found = User.objects.filter(username=name, is_active=True).first()
    if found is None:
        raise ValidationError(f"No active user {name}.")
    return found


class ProjectCreateForm(forms.Form):
    """The arguments of `services.projects.create`."""

    name = LineField()
    description = LinesField()
    admin = LineField(
        required=False, help_text="Username of its first admin; others are added later."
    )

    def clean_admin(self) -> User | None:
        name = self.cleaned_data["admin"]
        return _active_user(name) if name else None


class MembershipForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in its stubs only
    """A member's role; who is meant does not change.

    By name, as over the API: a list of users, or their numbers, is nobody's to read
    who may set members and no more.
    """

    user = LineField(label="Username")

    class Meta:
        model = Membership
        fields = ("user", "role")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.initial["user"] = self.instance.user.get_username()
            if "user" in self.fields:
                self.fields["user"].disabled = True

    def clean_user(self) -> User:
        if self.instance.pk is not None:
            member: User = self.instance.user
            return member
        return _active_user(self.cleaned_data["user"])


class QuotaForm(forms.Form):
    """The limits of a project; one that was not touched stays what it is by now."""

    def __init__(self, data: Any = None, *, quotas: Iterable[Quota]) -> None:
        super().__init__(data)
        for row in quotas:
            self.fields[row.resource] = forms.IntegerField(
                label=row.get_resource_display(),
                initial=row.limit,
                required=False,
                min_value=0,
                max_value=MAX_LIMIT,
                # Compared with what was shown, not with what is.
                show_hidden_initial=True,
                widget=forms.NumberInput(attrs={"placeholder": "unlimited"}),
            )

    @property
    def limits(self) -> dict[Resource, int | None]:
        """The limits that the operator changed."""
        return {Resource(name): self.cleaned_data[name] for name in self.changed_data}


class VMCreateForm(forms.Form):
    """The arguments of `services.vms.create`, by the names that errors point at."""

    name = LineField()
    flavor = LineField(help_text="Name or id.")
    image = LineField(help_text="Name or id.")
    cloud = forms.ChoiceField()
    project = LineField(help_text="Name or id.")
    description = LinesField()
    labels = LabelsField()
    delete_protection = forms.BooleanField(required=False)
    user_data = LinesField(
        rows=4,
        max_length=MAX_USER_DATA_TEXT,
        help_text="For cloud-init; never shown again.",
    )
    user_data_encoding = forms.ChoiceField(
        choices=UserDataEncoding.choices,
        required=False,
        help_text="Base64 for what is no text, such as gzip.",
    )
    #: Fields with a list of suggestions beside them.
    suggesting: ClassVar[tuple[str, ...]] = ("flavor", "image")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(alias, alias) for alias in clouds.aliases()]
        self.fields["cloud"] = forms.ChoiceField(choices=choices)
        for name in self.suggesting:
            self.fields[name].widget.attrs["list"] = f"{name}-suggestions"

    def clean_project(self) -> Project:
        text = self.cleaned_data["project"]
        try:
            return Project.objects.alive().called(text).get()
        except Project.DoesNotExist as error:
            raise ValidationError(f"No project {text}.") from error
        except Project.MultipleObjectsReturned as error:
            reason = f"Several projects are called {text}: give an id."
            raise ValidationError(reason) from error

    def clean_user_data_encoding(self) -> str:
        return self.cleaned_data["user_data_encoding"] or UserDataEncoding.PLAIN
