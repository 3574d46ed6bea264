"""Make a project, for first steps and scripts."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from compute.errors import Problem
from compute.events import SYSTEM
from compute.management.lines import refused, user
from compute.services import projects


class Command(BaseCommand):
    help = "Create a project with the default quotas."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="its name; no other may have it")
        parser.add_argument("--admin", metavar="USER", help="name of its first admin")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = projects.create(
                name=options["name"],
                admin=user(options["admin"]) if options["admin"] else None,
                actor=SYSTEM,
            )
        except Problem as problem:
            raise refused(problem) from problem
        self.stdout.write(str(project.pk))
