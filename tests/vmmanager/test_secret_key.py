"""The keys: made once in development, and none that can be guessed in production."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from string import ascii_letters, printable

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from vmmanager.secret_key import check_secret_key, development_secret


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(development_secret, [path] * 32))
    assert keys == {path.read_text()}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "key",
    [
        "abcde" * 10,
        "0123456789" * 6,
        "a" * 60,
        ascii_letters,
        printable[:80],
        "change-me" * 8,
        "abcdefghijklmnopqrstuvwxyz" * 3,
        "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff",
        "secret-key-secret-key-secret-key-secret-key-secret-key",
        "x" * 49,
        "",
    ],
)
def test_a_key_that_can_be_guessed_is_refused(key: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY must be set"):
        check_secret_key(key)


def test_a_key_that_was_drawn_is_taken() -> None:
    makers = (
        get_random_secret_key,
        lambda: secrets.token_urlsafe(38),
        lambda: secrets.token_urlsafe(64),
        lambda: secrets.token_hex(32),
        lambda: secrets.token_hex(64),
    )
    for make in makers:
        for _ in range(2000):
            key = make()
            assert check_secret_key(key) == key
