"""The buttons for actions of the table, and what there is to choose from for each."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from django import forms
from django.http import HttpRequest

from compute.admin.console.forms import ActionForm
from compute.admin.console.operators import may
from compute.admin.console.pages import Button
from compute.services.actions import Action

#: Suggestions beside a field at most.
SUGGESTIONS = 20


class Offer(NamedTuple):
    """What an argument may be for a row as it is."""

    widget: Callable[[Any], forms.Widget] | None = None
    #: The permission that it takes to see the choices.
    sees: str | None = None
    #: What the field holds at first, for who looks at it.
    initial: Callable[[HttpRequest, Any], Any] | None = None


#: (verb, argument) -> offer
Offers = Mapping[tuple[str, str], Offer]


def buttons(
    request: HttpRequest,
    row: Any,
    actions: Iterable[Action],
    offers: Offers,
    *,
    url: Callable[[Any, str], str],
) -> list[Button]:
    """Return what this operator may ask of a row now, of some actions."""
    return [
        _button(request, row, action, offers, url=url(row, action.verb))
        for action in actions
        if may(request, action.name)
    ]


def _button(
    request: HttpRequest, row: Any, action: Action, offers: Offers, *, url: str
) -> Button:
    form = ActionForm(action)
    for name, field in form.fields.items():
        offer = offers.get((action.verb, name))
        if offer is None or not (offer.sees is None or may(request, offer.sees)):
            continue
        if offer.initial is not None:
            field.initial = offer.initial(request, row)
        if offer.widget is None:
            continue
        field.widget = offer.widget(row)
        if isinstance(field.widget, forms.Select) and not field.widget.choices:
            note = f"It has no {name} to {action.verb.partition('-')[0]}."
            return Button(label=action.label, url=url, note=note, can_send=False)
    return Button(
        label=action.label,
        url=url,
        note=action.note,
        form=form,
        is_danger=action.is_destructive,
    )
