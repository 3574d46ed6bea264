"""The settings of the tests: those of development, with the state kept apart."""

import os
from pathlib import Path

os.environ.setdefault("DEBUG", "true")
os.environ.setdefault(
    "DATA_DIR", str(Path(__file__).resolve().parent.parent / ".cache" / "tests")
)

# What is counted is tested where it is asked for.
os.environ.setdefault("RATE_LIMIT", "100000/60 second")
os.environ.setdefault("RATE_LIMIT_POLL", "100000/60 second")
os.environ.setdefault("RATE_LIMIT_AUTH", "100000/60 second")

# Fifty threads at once race each other, each with a connection: no pool has so many.
os.environ.setdefault("DATABASE_POOL_SIZE", "0")

from vmmanager.settings import *  # noqa: F403  # the same settings, all of them
from vmmanager.settings import DATA_DIR, DATABASES

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, because threads cannot share the in-memory database that is the default.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
