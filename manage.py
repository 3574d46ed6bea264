#!/usr/bin/env python3
"""Run a management command; the door for development, so DEBUG is on by default."""

import os
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmmanager.settings")
    os.environ.setdefault("DEBUG", "true")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
