"""The benchmarks run, and compare what they say they compare."""

import ast
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.bench import reads, scale, streams, webhooks
from tests.bench.databases import for_peer, new_database
from tests.bench.pair import beside, service
from tests.bench.processes import PEER_PYTHON, ROOT
from tests.bench.report import Plan, ratio
from tests.support.deployed import POSTGRES_URL, answers

PLAN = Plan("SQLite", seconds=1, rounds=1)
#: What every list of 100 fills, with enough to stop.
VMS = 400

with_peer = pytest.mark.skipif(
    shutil.which("wrk") is None or not PEER_PYTHON.exists(),
    reason="needs wrk, and `make .venv-peer/lock`",
)


def test_a_ratio_is_the_median_of_the_rounds_and_shows_its_spread() -> None:
    assert ratio([10, 30, 20], [10, 10, 10]) == "2.00 (1.00 to 3.00)"


def test_only_the_peer_imports_the_peer_and_what_it_is_made_of() -> None:
    foreign = {"fastapi", "pydantic", "sqlalchemy"}
    peer = ROOT / "tests/peer"
    guilty = []
    for folder in ("compute", "providers", "tests", "vmmanager"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.is_relative_to(peer):
                continue
            for name in _imports(path):
                if name.split(".")[0] in foreign or name.startswith("tests.peer"):
                    guilty.append(f"{path.relative_to(ROOT)}: {name}")
    assert guilty == []
    assert any("fastapi" in _imports(path) for path in peer.glob("*.py"))


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.broker
@pytest.mark.once
def test_databases_lie_beside_the_one_that_is_named(tmp_path: Path) -> None:
    if not answers(POSTGRES_URL):
        pytest.skip("no PostgreSQL answers at POSTGRES_URL")
    name = f"{urlsplit(POSTGRES_URL).path.strip('/')}_bench_tried"
    with new_database(POSTGRES_URL, tmp_path, "tried", keep=True) as url:
        assert urlsplit(url).path == f"/{name}"
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept ()")
    with (
        new_database(POSTGRES_URL, tmp_path, "tried", keep=True) as url,
        psycopg.connect(url) as connection,
    ):
        connection.execute("SELECT FROM kept")
    # And one that is not kept begins empty, and is gone afterwards.
    with (
        new_database(POSTGRES_URL, tmp_path, "tried") as url,
        psycopg.connect(url) as connection,
        pytest.raises(psycopg.errors.UndefinedTable),
    ):
        connection.execute("SELECT FROM kept")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)
    assert for_peer(url).startswith("postgresql+psycopg://")


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.once
def test_every_request_at_scale_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A tenth of them are in one project, of which thirty are stopped.
    scale.measure("", tmp_path, few=800, many=1200)
    rows = re.findall(
        r"^\| (\S.*?) +\| ([\d.]+) +\| ([\d.]+) +\| ([\d.]+) +\|$",
        capsys.readouterr().out,
        re.MULTILINE,
    )
    labels = [row[0] for row in rows]
    assert len(labels) > 2 * len(scale.ORDERINGS)
    assert labels.count("cursor, -updated_at") == 2  # a member's and an operator's
    assert labels.count(scale.STOP) == 1
    assert all(float(figure) > 0 for row in rows for figure in row[1:])


@with_peer
@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.once
def test_reads_are_measured_beside_the_peer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with service(tmp_path, "", vms=VMS) as one, beside(one, tmp_path, "") as peer:
        reads.compare(one, peer, PLAN)
    said = capsys.readouterr().out
    for label, _, _ in reads.READS:
        assert re.search(rf"\| {re.escape(label)} +\| [1-9]\d* +\| [1-9]", said), said


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.once
def test_streams_are_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    streams.measure("", tmp_path, sockets=10, stalled=0, events=4, idle=0.5)
    rows = _rows(capsys.readouterr().out)
    assert rows["others that were closed"] == "0"
    assert float(rows["p99, ms"]) > 0
    assert float(rows["p99 beside 0 that read nothing, ms"]) > 0


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.once
def test_hanging_receivers_are_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    webhooks.measure("", tmp_path, webhooks=5, hanging=1, events=20)
    rows = _rows(capsys.readouterr().out)
    for label in ("4 that answer, alone", "beside 1 that hang"):
        assert float(rows[label]) > 0


def _rows(said: str) -> dict[str, str]:
    """Return the first figure of each row of a table."""
    rows = re.findall(r"^\| (\S.*?) +\| (\d\S*)", said, re.MULTILINE)
    return dict(rows)
