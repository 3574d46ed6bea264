"""Make a project, for first steps and scripts."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from compute.errors import NameConflict, ValidationError
from compute.events import SYSTEM
from compute.management.lines import name, user
from compute.services import projects


class Command(BaseCommand):
    help = "Make a project with the quotas of the settings."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="its name; no other may have it")
        parser.add_argument("--admin", metavar="USER", help="name of its first admin")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = projects.create(
                name=name(options["name"]),
                admin=user(options["admin"]) if options["admin"] else None,
                actor=SYSTEM,
            )
        except (NameConflict, ValidationError) as error:
            raise CommandError(error.detail) from error
        self.stdout.write(str(project.pk))
