"""What commands take by name; an unknown name is refused in one line."""

import argparse
import re

from django.core.management.base import CommandError

from compute.errors import Problem
from compute.models import Project, User
from compute.services.tokens import MAX_DAYS


def refused(problem: Problem) -> CommandError:
    """Return why a service refused, as one line."""
    rows = problem.members.get("errors", [])
    reasons = [f"{row['pointer'].removeprefix('#/')}: {row['detail']}" for row in rows]
    return CommandError(" ".join(reasons) or problem.detail)


def user(text: str) -> User:
    """Return the active user of a name, or raise CommandError."""
    user = User.objects.filter(username=text, is_active=True).first()
    if user is None:
        raise CommandError(f"There is no active user {text}.")
    return user


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
