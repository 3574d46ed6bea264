"""The development key, when several processes start at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vmmanager.secret_key import development_secret


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(development_secret, [path] * 32))
    assert keys == {path.read_text()}
    assert list(tmp_path.iterdir()) == [path]
