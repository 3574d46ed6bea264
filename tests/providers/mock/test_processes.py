"""Many threads, processes and servers around one file."""

import multiprocessing
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from providers.errors import Conflict, InvalidRequest, Unavailable
from providers.mock import MockCloud
from providers.mock.world.records import servers_page
from providers.mock.world.state import microseconds
from providers.mock.world.store import Store
from tests.providers.mock.test_controls import seeds
from tests.support.clock import Clock
from tests.support.mock_servers import AGES, REQUEST_ID, boot, spec

ROOT = Path(__file__).resolve().parents[3]

SCRIPT = """
import sys
from providers.mock import MockCloud
from tests.support.mock_servers import AGES, REQUEST_ID, boot, spec
mock = MockCloud(path=sys.argv[1], delay="0")
"""


def start(path: Path, code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603  # the script above and words of ours
        [sys.executable, "-W", "error", "-c", SCRIPT + code, str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_processes_share_a_cloud_that_does_not_exist_yet(mock_path: Path) -> None:
    running = [start(mock_path, "[boot(mock) for _ in range(20)]") for _ in range(4)]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    servers = MockCloud(path=str(mock_path), delay="0").servers.list_all()
    assert len({server.addresses[0].ip for server in servers}) == 80


def test_a_fault_reaches_another_process(mock: MockCloud, mock_path: Path) -> None:
    mock.controls.inject("servers.create", kind="fail", status=503)
    process = start(mock_path, "boot(mock)")
    _, errors = process.communicate(timeout=60)
    assert "providers.errors.Unreachable" in errors
    assert mock.controls.call_counts()["servers.create"] == 1


@pytest.mark.parametrize(("kind", "done"), [("die_before", 0), ("die_after", 1)])
def test_a_process_is_killed_at_a_call(
    mock: MockCloud, mock_path: Path, kind: str, done: int
) -> None:
    process = start(
        mock_path, f"mock.controls.inject('servers.create', kind={kind!r}); boot(mock)"
    )
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert len(mock.servers.list_all()) == done
    assert mock.controls.pending_faults() == 0
    boot(mock)


def _boot_in_child(mock: MockCloud) -> None:
    boot(mock, spec("from-the-child"))


def test_a_forked_child_opens_the_file_itself(mock: MockCloud) -> None:
    boot(mock)
    child = multiprocessing.get_context("fork").Process(
        target=_boot_in_child, args=(mock,)
    )
    child.start()
    child.join(60)
    assert child.exitcode == 0
    boot(mock)
    assert len(mock.servers.list_all()) == 3


def test_one_of_many_threads_wins(slow_mock: MockCloud, clock: Clock) -> None:
    server_id = boot(slow_mock, clock=clock)

    def stop(_: int) -> bool:
        try:
            slow_mock.servers.act(server_id, "stop", request_id=REQUEST_ID)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(stop, range(50))) == 1


def test_a_closed_provider_opens_again(mock: MockCloud) -> None:
    boot(mock)
    mock.close()
    assert len(mock.servers.list_all()) == 1


def test_every_page_is_walked(mock_path: Path) -> None:
    mock = MockCloud(path=str(mock_path), delay="0")
    ids = mock.controls.seed(seeds(2500))
    in_one_process = [server.id for server in mock.servers.list_all()]
    assert sorted(in_one_process) == sorted(ids)
    small_pages = MockCloud(path=str(mock_path), delay="0", page_size="7")
    assert [server.id for server in small_pages.servers.list_all()] == in_one_process
    since = datetime.now(UTC) - timedelta(hours=1)
    changed = small_pages.servers.list_all(changes_since=since)
    assert [server.id for server in changed] == in_one_process


def test_a_marker_may_be_a_deleted_server_but_no_unknown_one(
    slow_mock: MockCloud, mock_path: Path, clock: Clock
) -> None:
    older, newer = sorted([boot(slow_mock), boot(slow_mock, clock=clock)])
    slow_mock.servers.delete(newer, request_id=REQUEST_ID)
    clock.advance(AGES)
    store = Store(mock_path)

    def page(marker: str) -> list[str]:
        found, _ = servers_page(
            store.connection(),
            marker=marker,
            limit=9,
            now=microseconds(clock.now),
            since=None,
        )
        return [record.id for record in found]

    assert page(newer) == [older]
    with pytest.raises(InvalidRequest, match="marker"):
        page("nobody")


def test_ten_thousand_servers_are_no_burden(slow_mock: MockCloud, clock: Clock) -> None:
    slow_mock.controls.seed(seeds(10_000))
    clock.advance(3600)
    server_id = boot(slow_mock, clock=clock)
    began = time.perf_counter()
    assert len(slow_mock.servers.list_all()) == 10_001
    full = time.perf_counter() - began
    began = time.perf_counter()
    changed = slow_mock.servers.list_all(changes_since=clock.now - timedelta(minutes=5))
    partial = time.perf_counter() - began
    assert [server.id for server in changed] == [server_id]
    # About 0.3 s and 0.3 ms; wide margins for a busy machine.
    assert full < 5
    assert partial < full / 10


def _write(store: Store) -> None:
    with store.transaction() as db:
        db.execute("INSERT INTO calls (op, n) VALUES (hex(randomblob(8)), 1)")


def test_a_writer_gives_up_on_a_file_that_is_held(tmp_path: Path) -> None:
    store = Store(tmp_path / "mock.sqlite3", patience=0.05)
    with ThreadPoolExecutor(1) as pool, store.transaction():
        assert isinstance(pool.submit(_write, store).exception(), Unavailable)
    other = sqlite3.connect(tmp_path / "mock.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        _write(store)
    other.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_waits_for_the_end_of_a_transaction(tmp_path: Path) -> None:
    store = Store(tmp_path / "mock.sqlite3")
    began = threading.Event()

    def hold() -> None:
        with store.transaction():
            began.set()
            time.sleep(0.2)

    child = multiprocessing.get_context("fork").Process(target=_write, args=(store,))
    with ThreadPoolExecutor(1) as pool:  # keeps its thread, idle, until the child ended
        held = pool.submit(hold)
        assert began.wait(10)
        child.start()
        child.join(60)
        assert (held.exception(), child.exitcode) == (None, 0)


def test_a_new_file_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "mock.sqlite3"
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        Store(path, patience=0.05).connection()
    threading.Timer(0.2, holder.close).start()
    assert MockCloud(path=str(path), delay="0").images.list_all()
