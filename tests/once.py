"""A mark for tests that do not depend on the database, and run with one of the two."""

import pytest
from django.db import connection

once = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="does not depend on the database"
)
