"""Lines as an operator and a log collector read them, whoever wrote them."""

import io
import json
import logging
import logging.config
from collections.abc import Iterator

import pytest
import structlog
from django.conf import settings

from vmmanager.logs import configure


@pytest.fixture(autouse=True)
def _configured_again() -> Iterator[None]:
    yield
    logging.config.dictConfig(
        configure(level=settings.LOG_LEVEL, log_format=settings.LOG_FORMAT)
    )


def written(log_format: str, monkeypatch: pytest.MonkeyPatch) -> str:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    logging.config.dictConfig(configure(level="INFO", log_format=log_format))
    with structlog.contextvars.bound_contextvars(request_id="req-1"):
        structlog.get_logger("ours").info("stopped", vm_id="v-1")
        logging.getLogger("theirs").warning("disk %s", "full")
        logging.getLogger("theirs").info("quiet %d", 1)
        logging.getLogger("theirs").debug("unseen")
        user_data = "canary-" + "7f3a"
        try:
            raise ValueError("broken")
        except ValueError:
            structlog.get_logger("ours").exception("failed")
    assert user_data not in stream.getvalue(), "a traceback shows its locals"
    return stream.getvalue()


def test_json_is_one_object_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.loads(line) for line in written("json", monkeypatch).splitlines()]
    assert [line["event"] for line in lines] == [
        "stopped",
        "disk full",
        "quiet 1",
        "failed",
    ]
    assert {line["request_id"] for line in lines} == {"req-1"}
    assert lines[0]["vm_id"] == "v-1"
    assert lines[0]["logger"] == "ours"
    assert lines[1]["level"] == "warning"
    assert lines[0]["timestamp"].endswith("Z")
    assert lines[3]["exception"][0]["exc_value"] == "broken"


def test_the_console_is_for_eyes(monkeypatch: pytest.MonkeyPatch) -> None:
    text = written("console", monkeypatch)
    assert "stopped" in text
    assert "vm_id=v-1" in text
    assert "ValueError: broken" in text
    assert "unseen" not in text
