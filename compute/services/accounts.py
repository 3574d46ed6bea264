"""Accounts of people: what ends when one is closed."""

from django.db import transaction
from django.utils import timezone

from compute.events import Actor
from compute.models import APIToken, Login, User
from compute.services import logins, tokens


def close(user: User, *, actor: Actor) -> None:
    """End every login and API token of an account that was deactivated.

    Else they would open the same doors again on the day the account is activated.
    """
    with transaction.atomic():
        for token in APIToken.objects.alive().filter(user=user):
            tokens.revoke(token, actor=actor)
        for login in Login.objects.open(timezone.now()).filter(user=user):
            logins.revoke(login, actor=actor)
