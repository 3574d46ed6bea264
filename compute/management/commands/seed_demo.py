"""Fill a mock cloud and the database with VMs, for demos and benchmarks."""

import argparse
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from compute import clouds
from compute.management.development import development_admin
from compute.services import demo, showcase


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"from {least} to {most}")
        return number

    return read


class Command(BaseCommand):
    help = "Add plausible VMs in mixed statuses to a mock cloud and to the database."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--vms", type=_number(1, 1_000_000), metavar="N")
        what.add_argument(
            "--showcase",
            action="store_true",
            help="what a service looks like after a month of use, once: projects, "
            "people, VMs in all clouds, failures; the other options are not for it",
        )
        parser.add_argument(
            "--projects",
            type=_number(1, 1000),
            default=1,
            metavar="N",
            help="new projects to put them in, a tenth of them in the first; 1, and if "
            "not given: the default project",
        )
        parser.add_argument(
            "--history",
            type=_number(0, 100),
            default=0,
            metavar="N",
            help="operations of each VM since its creation, with five events each",
        )
        parser.add_argument(
            "--cloud",
            choices=clouds.aliases(),
            help="alias of a mock cloud; the default cloud if not given",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["showcase"]:
                development_admin()  # before the others: it is made as the first user
                done = showcase.furnish()
                self.stdout.write("Furnished." if done else "It is furnished already.")
                return
            total = demo.seed(
                options["vms"],
                cloud=options["cloud"],
                projects=options["projects"],
                history=options["history"],
            )
        except demo.NotAMockError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{options['vms']} VMs added, {total} in all.")
