"""Make a project, for first steps and scripts."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from compute import clouds
from compute.errors import Problem
from compute.events import SYSTEM
from compute.management.lines import refused, user
from compute.services import projects


class Command(BaseCommand):
    help = "Create a project with the default quotas."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="its name; no other may have it")
        parser.add_argument("--admin", metavar="USER", help="name of its first admin")
        parser.add_argument(
            "--cloud",
            action="append",
            choices=clouds.aliases(),
            help="alias of a cloud it may use, its default one first; repeat it for more",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = projects.create(
                name=options["name"],
                clouds=options["cloud"],
                admin=user(options["admin"]) if options["admin"] else None,
                actor=SYSTEM,
            )
        except Problem as problem:
            raise refused(problem) from problem
        self.stdout.write(str(project.pk))
