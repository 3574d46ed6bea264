#!/usr/bin/env python3
"""Run a management command; the door for development, so DEBUG is on by default."""

import os
import signal
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError
from django.db.migrations.exceptions import InconsistentMigrationHistory


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmmanager.settings")
    os.environ.setdefault("DEBUG", "true")
    if "runserver" not in sys.argv:
        # A command is one thread, and says best what its own connection says.
        os.environ.setdefault("DATABASE_POOL_SIZE", "0")
    try:
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except InconsistentMigrationHistory as error:
        sys.exit(
            f"manage.py: {error} A database of a version before 0.1.0 cannot be "
            "upgraded: use a new one (with SQLite: another DATA_DIR)."
        )
    except (ImproperlyConfigured, OperationalError) as error:
        if "--traceback" in sys.argv:
            raise
        # Several addresses of a database are several lines of the driver's words.
        sys.exit(f"manage.py: {' '.join(str(error).split())}")


if __name__ == "__main__":
    main()
