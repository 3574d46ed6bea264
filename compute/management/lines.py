"""What commands are given by name; what is not there is refused in one line."""

import argparse
import re

from django.core.management.base import CommandError

from compute.models import Project, User
from compute.models.limits import MAX_NAME, NAME

MAX_DAYS = 36_500


def name(text: str) -> str:
    """Return the name of something new, or raise CommandError."""
    if len(text) > MAX_NAME or not re.fullmatch(NAME, text):
        raise CommandError(
            f"A name has 1 to {MAX_NAME} characters and no space at either end."
        )
    return text


def user(text: str) -> User:
    """Return the active user of a name, or raise CommandError."""
    found = User.objects.filter(username=text, is_active=True).first()
    if found is None:
        raise CommandError(f"There is no active user {text}.")
    return found


def project(text: str) -> Project:
    """Return the project of an id or a name, or raise CommandError."""
    try:
        return Project.objects.alive().called(text).get()
    except Project.DoesNotExist as error:
        raise CommandError(f"There is no project {text}.") from error
    except Project.MultipleObjectsReturned as error:
        raise CommandError(
            f"Several projects are called {text}: give an id."
        ) from error


def days(text: str) -> int:
    """Return a number of days, 0 to a hundred years; for argparse."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > MAX_DAYS:
        raise argparse.ArgumentTypeError(f"from 0 to {MAX_DAYS}")
    return int(text)
