"""Fill a mock cloud and the database with VMs, for demos and benchmarks."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from compute import clouds
from compute.services import demo


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 1_000_000:
        raise argparse.ArgumentTypeError("from 1 to 1000000")
    return count


class Command(BaseCommand):
    help = "Add plausible VMs in mixed statuses to a mock cloud and to the database."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--vms", type=_count, required=True, metavar="N")
        parser.add_argument(
            "--cloud",
            choices=clouds.aliases(),
            help="alias of a mock cloud; the default cloud if not given",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            total = demo.seed(options["vms"], cloud=options["cloud"])
        except demo.NotAMockError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{options['vms']} VMs added, {total} in all.")
