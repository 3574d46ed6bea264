"""The table of actions: complete, and true of the services that it names."""

from functools import partial
from inspect import signature

import pytest

from compute.models.vm import VERBS
from compute.permissions import PERMISSIONS
from compute.services import vms
from compute.services.actions import ACTIONS, VM_ACTIONS, Action

#: What every service of an action takes besides its arguments.
ALWAYS = {"actor", "expect"}
#: What the API's own endpoint takes besides.
MORE = {"snapshot.create": {"description", "labels"}}

each = pytest.mark.parametrize("action", ACTIONS.values(), ids=lambda row: row.name)


def test_every_verb_of_the_lifecycle_is_an_action() -> None:
    assert set(VM_ACTIONS) == {verb.action for verb in VERBS.values()}


@each
def test_an_action_has_a_permission(action: Action) -> None:
    assert action.name in PERMISSIONS


@each
def test_an_action_asks_for_what_its_service_takes(action: Action) -> None:
    arguments = {argument.name: argument for argument in action.arguments}
    if isinstance(action.service, partial):  # one that needs nothing but the VM
        assert action.service.func is vms.act
        assert not arguments
        return
    _, *parameters = signature(action.service).parameters.values()
    takes = {parameter.name: parameter for parameter in parameters}
    more = MORE.get(action.name, set())
    assert takes.keys() == ALWAYS | arguments.keys() | more
    for name, argument in arguments.items():
        has_default = takes[name].default is not takes[name].empty
        assert has_default == (argument.default is not None or argument.is_optional)
        assert argument.choices is None or argument.example in argument.choices.values
