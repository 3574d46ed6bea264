"""A row that is read in the same statement as who asks for it: one round trip, not two."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from compute.statements import MAX_KEPT, Row, Statement, cut

#: Of a scope of one project (`compute.access.Scope.with_slots`).
PROJECT = "project0"


class Ahead:
    """The row that a request is about, as it is seen in one project.

    It is found beside each project of whoever asks. What they may see of that is decided
    afterwards, as if it had been read then.
    """

    def __init__(self, statement: Statement, values: Mapping[str, Any]) -> None:
        """Take a statement for a row in one project, and its values but that project."""
        self.statement = statement
        self._values = values
        #: Project -> the row that was found beside it.
        self._found: dict[UUID, Row] = {}

    def beside(self, query: str, project: str) -> tuple[str, dict[str, Any]]:
        """Return a query that finds it too, and the parameters that this takes.

        The column ``project`` of the query is the id of the project; it has places for
        what is ``{selected}`` and ``{joined}``.
        """
        values = self.statement.bound(self._values, but=PROJECT)
        return _beside(query, project, self.statement), {**values, **cut(1)[1]}

    def take(self, project_id: UUID | None, columns: Row) -> None:
        """Take what that added to a row of the query's answer."""
        if project_id is None:
            return
        if connection.vendor == "postgresql":
            # The first is JSON that begins the row's: it is never null.
            rows = [] if columns[0] is None else [columns]
        else:
            rows = orjson.loads(columns[0])
        for row in rows:
            self._found[project_id] = row

    def row(self, projects: Collection[Any] | None) -> Row | None:
        """Return the row if it was found in one of some projects; ``None``: in any."""
        for project_id, row in self._found.items():
            if projects is None or project_id in projects:
                return row
        return None


def alone(query: str) -> str:
    """Return a query with such places, for which nothing is read ahead."""
    return query.format(selected="", joined="")


@lru_cache(MAX_KEPT)
def _beside(query: str, project: str, statement: Statement) -> str:
    sql = statement.with_column(PROJECT, project) + cut(1)[0]
    if connection.vendor != "postgresql":
        return query.format(selected=f", ({statement.as_json(sql)})", joined="")
    join = f"LEFT JOIN LATERAL ({sql}) ahead({statement.columns}) ON TRUE"
    return query.format(selected=", ahead.*", joined=join)
