"""A failed operation's way to be asked for once more."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse

from compute.admin.console.forms import ActionForm
from compute.admin.console.operators import may
from compute.admin.console.pages import Button
from compute.models import Operation, OperationStatus, OperationType, Snapshot
from compute.models.owned import CloudResource
from compute.services.actions import ACTIONS


def buttons(
    request: HttpRequest, operation: Operation | None, target: Any
) -> Iterator[Button]:
    """Yield a button if the last operation on a thing failed and may be tried again."""
    if operation is None or operation.status != OperationStatus.FAILED:
        return
    if operation.type == OperationType.SNAPSHOT_CREATE and isinstance(target, Snapshot):
        target = target.vm  # which is what is asked for one
    action = ACTIONS.get(operation.type)
    if action is None or operation.pk != target.operation_id:
        return
    arguments = action.arguments_of(operation.params)
    if arguments is None or action.verb not in target.allowed_actions:
        return
    if not may(request, action.name):
        return
    form = ActionForm(action)
    for name in list(form.fields):
        field = form.fields[name]
        if name not in arguments:
            del form.fields[name]
            continue
        value = arguments[name]
        field.initial = ", ".join(value) if isinstance(value, list) else value
        # Sent is an id, as names may have changed hands since; shown is the name.
        field.help_text = operation.params.get(f"{name}_name", "")
        field.widget = forms.HiddenInput()
    yield Button(
        label=f"Try {action.label.lower()} again",
        url=_url(target, action.verb),
        form=form,
        note=(action.note or action.summary) if action.is_destructive else "",
        is_danger=action.is_destructive,
    )


def _url(target: CloudResource, verb: str) -> str:
    model = target._meta.model_name
    if verb == "delete":
        return reverse(f"admin:compute_{model}_delete", args=[target.pk])
    return reverse(f"admin:compute_{model}_command", args=[target.pk, verb])
