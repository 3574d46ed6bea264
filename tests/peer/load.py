"""Make the tables and fill them with the VMs on stdin, one JSON document a line."""

import json
import sys
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import inspect, text
from sqlalchemy.sql.sqltypes import DateTime, Uuid

from tests.peer.database import Base, engine, make_session
from tests.peer.models import VM

BATCH = 1000
READ = {Uuid: uuid.UUID, DateTime: datetime.fromisoformat}


def main() -> None:
    Base.metadata.create_all(engine)
    with make_session() as session:
        rows: list[dict[str, Any]] = []
        for line in sys.stdin:
            rows.append(read(json.loads(line)))
            if len(rows) == BATCH:
                session.bulk_insert_mappings(inspect(VM), rows)
                rows = []
        session.bulk_insert_mappings(inspect(VM), rows)
        session.commit()
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("ANALYZE"))


def read(document: dict[str, Any]) -> dict[str, Any]:
    row = {}
    for column in VM.__table__.columns:
        value = document[column.name]
        as_value = READ.get(type(column.type))
        row[column.name] = as_value(value) if as_value and value else value
    return row


if __name__ == "__main__":
    main()
