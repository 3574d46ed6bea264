"""What an operator types. Whether it will do say the models and the services."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db.models import ForeignKey
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from compute.admin.console.operators import add_errors
from compute.errors import Problem
from compute.limits import LABELS_RULES, LINE, MAX_DESCRIPTION, MAX_NAME
from compute.models import Project, User
from compute.services.actions import Action, Argument


class LineField(forms.CharField):
    """What something is called; whether it can be a name says the model."""

    # Django trims what a form sends, so only the inside is left to refuse.
    default_validators = [RegexValidator(LINE, "Must not contain control characters.")]

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.TextInput(attrs={"class": "vTextField"}))
        kwargs.setdefault("max_length", MAX_NAME)
        super().__init__(**kwargs)


class LinesField(forms.CharField):
    """Text of several lines, kept as typed."""

    def __init__(
        self, *, rows: int = 3, max_length: int | None = None, **kwargs: Any
    ) -> None:
        widget = forms.Textarea(attrs={"rows": rows, "class": "vLargeTextField"})
        kwargs.update(required=False, strip=False, widget=widget)
        super().__init__(max_length=max_length or MAX_DESCRIPTION, **kwargs)

    def to_python(self, value: Any) -> str:
        # A form sends CRLF for what was stored as LF: that is not a change.
        return str(super().to_python(value)).replace("\r\n", "\n")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or "") != self.to_python(data)


class LabelsField(forms.CharField):
    """Labels, one ``key=value`` a line."""

    default_validators = [*LABELS_RULES]

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "One key=value per line.")
        widget = forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"})
        super().__init__(required=False, widget=widget, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return "\n".join(f"{key}={text}" for key, text in value.items())
        return value

    def to_python(self, value: Any) -> Any:
        labels: dict[str, str] = {}
        lines = str(super().to_python(value)).splitlines()
        for line in filter(None, map(str.strip, lines)):
            key, equals, text = line.partition("=")
            if not equals:
                raise ValidationError(f"“{line}” is not key=value.")
            if key in labels:
                raise ValidationError(f"“{key}” is listed twice.")
            labels[key] = text
        return labels

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool((initial or {}) != self.to_python(data))
        except ValidationError:
            return True


class NamesField(forms.CharField):
    """A list of names, or of whatever else is in one line."""

    HELP = "One a line, or with commas between"

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.Textarea(attrs={"rows": 2, "class": "vLargeTextField"})
        super().__init__(required=False, widget=widget, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) or value is None else "\n".join(value)

    def to_python(self, value: Any) -> Any:
        names = re.split(r"[,\r\n]", str(super().to_python(value)))
        return [LineField().clean(name) for name in names if name.strip()]


class SuggestingInput(forms.TextInput):
    """A line with suggestions beside it; anything else can be typed."""

    def __init__(self, suggestions: list[str]) -> None:
        super().__init__(attrs={"class": "vTextField", "maxlength": MAX_NAME})
        self.suggestions = suggestions

    def render(
        self, name: str, value: Any, attrs: Any = None, renderer: Any = None
    ) -> SafeString:
        if not self.suggestions:
            return super().render(name, value, attrs, renderer)
        list_id = f"{name}-suggestions"
        field = super().render(
            name, value, {**(attrs or {}), "list": list_id}, renderer
        )
        options = ((suggestion,) for suggestion in self.suggestions)
        rows = format_html_join("", '<option value="{}">', options)
        return format_html('{}<datalist id="{}">{}</datalist>', field, list_id, rows)


class SearchedSelect(AutocompleteSelect):
    """Suggests rows while somebody types a name."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        # Django looks up what a refused form sent, whatever it is.
        key = self.field.remote_field.model._meta.pk
        return super().optgroups(name, [id for id in value if _is_key(key, id)], attr)


def _is_key(field: Any, text: str) -> bool:
    try:
        field.clean(text, None)
    except ValidationError:
        return False
    return True


class RowField(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in its stubs only
    """One of the rows that a foreign key may lead to, chosen by name."""

    def __init__(self, key: ForeignKey[Any, Any], **kwargs: Any) -> None:
        rows = key.related_model._default_manager.all()
        super().__init__(
            rows.complex_filter(key.get_limit_choices_to()),
            widget=SearchedSelect(key, admin.site),
            **kwargs,
        )


class VersionedForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in its stubs only
    """What is ours alone to change, and the version that the operator saw."""

    version = forms.IntegerField(widget=forms.HiddenInput, required=False)
    #: What the service has found wrong with what was typed.
    problem: ClassVar[Problem | None] = None

    class Meta:
        fields: ClassVar[tuple[str, ...]]
        field_classes = {"description": LinesField}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        version = data.get("version")
        if version is not None and version != self.instance.version:
            raise ValidationError(
                "Somebody changed it meanwhile: you saw version "
                f"{version}, it is at {self.instance.version} now. Nothing was saved. "
                "Reload the page and make your change again."
            )
        if self.problem is not None:
            add_errors(self, self.problem)
        return data


class OwnedForm(VersionedForm):
    labels = LabelsField()


class ActionForm(forms.Form):
    """What an action asks for besides its target."""

    def __init__(self, action: Action, data: Any = None) -> None:
        super().__init__(data, auto_id=False)
        self.action = action
        for argument in action.arguments:
            field = _field_of(argument)
            field.label = label_of(argument.name)
            self.fields[argument.name] = field

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for argument in self.action.arguments:
            # An empty list means something: it has to be sent.
            if argument.type == "texts" and not (
                argument.is_optional or self._is_sent(argument)
            ):
                self.add_error(
                    argument.name,
                    ValidationError("This field is required.", code="required"),
                )
        return data

    @property
    def arguments(self) -> dict[str, Any]:
        """What its service takes; what was left out, and may be, is not among it."""
        return {
            argument.name: self._value(argument)
            for argument in self.action.arguments
            if self._is_given(argument)
        }

    def _is_sent(self, argument: Argument) -> bool:
        widget = self.fields[argument.name].widget
        return not widget.value_omitted_from_data(
            self.data, self.files, self.add_prefix(argument.name)
        )

    def _is_given(self, argument: Argument) -> bool:
        if not argument.is_optional:
            return True
        means_something = argument.is_nullable or argument.type != "text"
        if means_something:
            return self._is_sent(argument)
        return bool(self.cleaned_data[argument.name])

    def _value(self, argument: Argument) -> Any:
        value = self.cleaned_data[argument.name]
        return None if argument.is_nullable and not value else value


def _field_of(argument: Argument) -> forms.Field:
    if argument.type == "flag":
        return forms.BooleanField(required=False, help_text=argument.help)
    if argument.type == "texts":
        return NamesField(help_text=f"{NamesField.HELP}; empty: none.")
    if argument.choices:
        return forms.ChoiceField(choices=argument.choices.choices)
    if argument.is_nullable:
        return LineField(required=False, help_text="Empty: none.")
    if argument.is_optional:
        return LineField(required=False, help_text=argument.help)
    return LineField()


#: Words of arguments that are written in capitals.
_CAPITALS = {word.lower(): word for word in ("CIDR", "DHCP", "DNS", "ICMP", "IP", "VM")}


def label_of(name: str) -> str:
    """Return the name of an argument as people read it."""
    words = [_CAPITALS.get(word, word) for word in name.split("_")]
    text = " ".join(words)
    return f"{text[:1].upper()}{text[1:]}"


def active_user(name: str) -> User:
    """Return the user of a name; raise ValidationError without an active one."""
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None:
        raise ValidationError(f"No active user {name}.")
    return user


def living_project(text: str) -> Project:
    """Return the project of an id or a name that was typed, or raise ValidationError."""
    try:
        return Project.objects.alive().called(text).get()
    except Project.DoesNotExist as error:
        raise ValidationError(f"No project {text}.") from error
    except Project.MultipleObjectsReturned as error:
        reason = f"Several projects are called {text}: give an id."
        raise ValidationError(reason) from error
