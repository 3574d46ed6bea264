"""Print who may do what as Markdown, read from the one table of it."""

from typing import Any

from django.core.management.base import BaseCommand

from compute.models import Role
from compute.permissions import TABLE


class Command(BaseCommand):
    help = "Print the table of roles, as the README has it."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(permissions())


def permissions() -> str:
    """Return the table."""
    roles = " | ".join(Role.values)
    lines = [
        f"| what | {roles} | operator with |",
        f"|---|{'---|' * len(Role)}---|",
    ]
    for noun, actions, permission in TABLE:
        what = f"{noun}: {', '.join(action.replace('_', '-') for action in actions)}"
        marks = " | ".join(
            "yes" if permission.is_granted_to(role) else "" for role in Role
        )
        lines.append(f"| {what} | {marks} | `{permission.codename}` |")
    return "\n".join(lines)
