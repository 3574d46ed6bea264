"""Adopt the networks of a cloud that this service does not know."""

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from compute import clouds
from compute.management.lines import project
from compute.services import network_imports
from compute.services.network_imports import CannotImportError


class Command(BaseCommand):
    help = (
        "Import the networks, subnets, routers, security groups and floating IPs of a "
        "cloud that nobody has here. Can be repeated."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--cloud",
            choices=clouds.aliases(),
            required=True,
            help="alias of the cloud whose networks to adopt",
        )
        parser.add_argument(
            "--project",
            required=True,
            help="name or id of the project that will own them",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="say what would be done, write nothing",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        adopted = "would adopt" if options["dry_run"] else "adopted"
        counts: Counter[str] = Counter()
        try:
            for found in network_imports.import_networks(
                options["cloud"],
                project(options["project"]),
                dry_run=options["dry_run"],
            ):
                word = "skipped" if found.skipped else adopted
                why = f": {found.skipped}" if found.skipped else ""
                counts[word] += 1
                name = f"{found.kind} {found.name} {found.id}"
                self.stdout.write(f"{word} {name}{why}")
        except CannotImportError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{adopted}: {counts[adopted]}, skipped: {counts['skipped']}")
