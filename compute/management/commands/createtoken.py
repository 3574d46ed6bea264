"""Make an API token, for first steps and scripts."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from compute.errors import Problem
from compute.events import SYSTEM
from compute.management.lines import days, project, refused, user
from compute.models import Role
from compute.models.project import DEFAULT_PROJECT_NAME
from compute.services import tokens


class Command(BaseCommand):
    help = "Create an API token and print it. It is shown only once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", required=True, help="username of its owner")
        parser.add_argument(
            "--project",
            default=DEFAULT_PROJECT_NAME,
            help="name or id of the project it opens",
        )
        parser.add_argument("--role", choices=Role.values, default=Role.READER.value)
        parser.add_argument("--name", default="made by createtoken")
        parser.add_argument(
            "--days",
            type=days,
            default=tokens.LIFETIME.days,
            help="until it expires; 0: never",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            _, secret = tokens.create(
                user=user(options["user"]),
                project=project(options["project"]),
                role=Role(options["role"]),
                name=options["name"],
                actor=SYSTEM,
                expires_at=tokens.end_after(options["days"]),
            )
        except Problem as problem:
            raise refused(problem) from problem
        self.stdout.write(secret)
