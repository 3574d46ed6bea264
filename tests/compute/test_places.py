import pytest
from pytest_django import Settings

from compute.places import Places


def test_no_more_are_let_in_than_there_are_places(settings: Settings) -> None:
    settings.API_MAX_WAITERS = 3
    places = Places("API_MAX_WAITERS")
    with (
        places.one("a") as first,
        places.one("b") as second,
        places.one("c") as third,
        places.one("d") as fourth,
    ):
        assert (first, second, third, fourth) == (True, True, True, False)
    with places.one("d") as again:
        assert again


def test_one_of_a_kind_leaves_half_to_others(settings: Settings) -> None:
    settings.API_MAX_WAITERS = 3
    places = Places("API_MAX_WAITERS")
    with (
        places.one("cloud:a", "alice") as first,
        places.one("cloud:a", "bob") as second,
        places.one("cloud:a", "carol") as of_the_same_cloud,
        places.one("cloud:b", "carol") as of_another,
    ):
        assert (first, second) == (True, True)
        assert not of_the_same_cloud
        assert of_another


def test_without_places_nobody_is_let_in(settings: Settings) -> None:
    settings.API_MAX_WAITERS = 0
    with Places("API_MAX_WAITERS").one("a") as admitted:
        assert not admitted


def test_a_place_is_free_after_a_failure(settings: Settings) -> None:
    settings.API_MAX_WAITERS = 1
    places = Places("API_MAX_WAITERS")
    with pytest.raises(ValueError, match="x"), places.one("a"):
        raise ValueError("x")
    with places.one("a") as admitted:
        assert admitted
