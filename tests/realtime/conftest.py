from collections.abc import Iterator

import pytest

from tests.support.serving import Ground, Service, served


@pytest.fixture(scope="module", params=["uvicorn", "runserver"])
def service(
    request: pytest.FixtureRequest,
    ground: Ground,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """A server that serves streams: that of production, and that of development."""
    folder = tmp_path_factory.mktemp("streams")
    with served(request.param, ground, folder) as service:
        yield service
    assert service.complaints() == []


@pytest.fixture(scope="module")
def uvicorn(
    ground: Ground, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with served("uvicorn", ground, tmp_path_factory.mktemp("uvicorn")) as service:
        yield service
    assert service.complaints() == []
