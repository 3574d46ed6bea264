"""How many threads serve requests, as granian is told."""

import pytest

from vmmanager import server

WSGI = ["--interface", "wsgi", "vmmanager.wsgi:application"]
ASGI = ["--interface", "asgi", "vmmanager.asgi:application"]


@pytest.mark.parametrize(
    ("argv", "environment", "threads"),
    [
        (["/venv/bin/granian", *WSGI, "--blocking-threads", "8"], {}, 8),
        (["granian", *WSGI], {"GRANIAN_BLOCKING_THREADS": "6"}, 6),
        (["/x/granian/__main__.py", *WSGI, "--blocking-threads=4"], {}, 4),
        # What granian takes if it is told nothing.
        (["granian", *WSGI, "--workers", "2"], {}, 256),
        (["granian", *ASGI], {}, None),
        (["manage.py", "runserver"], {}, None),
        (["/srv/granian/manage.py", "runserver"], {}, None),
    ],
)
def test_the_number_is_the_one_that_granian_reads(
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    environment: dict[str, str],
    threads: int | None,
) -> None:
    monkeypatch.setattr("sys.argv", argv)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert server.threads() == threads
