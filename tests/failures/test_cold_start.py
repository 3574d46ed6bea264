"""The first requests come all at once."""

from pathlib import Path

import pytest

from tests.support.serving import MARKS, NEW, Crowd, Ground, served

pytestmark = MARKS


@pytest.mark.parametrize("kind", ["wsgi", "asgi", "runserver"])
def test_the_first_forty_requests_succeed(
    kind: str, ground: Ground, tmp_path: Path
) -> None:
    with served(kind, ground, tmp_path) as service:
        crowd = Crowd()
        crowd.add(20, lambda: service.api("POST", "/vms", NEW))
        crowd.add(10, lambda: service.api("GET", "/vms"))
        crowd.add(10, lambda: service.api("GET", "/auth/me"))
        statuses = {answer.status for answer in crowd.all()}
        assert statuses == {200, 202}
        assert service.complaints() == []
