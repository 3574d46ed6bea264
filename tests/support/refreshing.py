"""A worker whose cloud takes its time: the catalogue is refreshed by one slow call."""

import sqlite3
from contextlib import closing
from pathlib import Path

from providers.mock import MockCloud
from tests.support.deployed import command_of, environment, run

#: Long enough to restart something meanwhile.
CALL_SECONDS = 3.0
REFRESH = ["celery", "--app", "vmmanager", "call", "compute.tasks.refresh_catalog"]
REFRESH += ["--args", '["default"]', "--queue", "cloud.default"]


class Refreshing:
    def __init__(self, folder: Path, redis_port: int) -> None:
        (folder / "redis").mkdir()
        self._database = folder / "db.sqlite3"
        self._cloud_file = folder / "data" / "mock-default.sqlite3"
        self.env = environment(
            folder,
            database_url=f"sqlite:///{self._database}",
            redis_url=f"redis://127.0.0.1:{redis_port}/0",
            clouds="default=mock://",
        )
        migrated = run(command_of("migrate"), self.env)
        assert migrated.returncode == 0, migrated.stderr
        self.cloud = MockCloud(path=str(self._cloud_file))
        self.cloud.controls.inject("flavors.list_all", kind="slow", delay=CALL_SECONDS)

    def calls(self) -> bool:
        """Whether the slow call has begun: its fault is used up."""
        return not _read(self._cloud_file, "SELECT op FROM faults")

    def flavors(self) -> set[str]:
        return _read(self._database, "SELECT name FROM compute_flavor")


def _read(file: Path, query: str) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {row[0] for row in connection.execute(query)}
