"""Cloud alias -> cloud: the one bridge from settings to providers."""

import threading
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from providers.contract.cloud import Cloud
from providers.errors import ProviderError, Unauthorized

_clouds: dict[str, Cloud] = {}
_lock = threading.Lock()


def aliases() -> list[str]:
    """Return the configured clouds, the default one first."""
    return list(settings.PROVIDERS)


def default_alias() -> str:
    """Return the default cloud."""
    return aliases()[0]


def get(alias: str) -> Cloud:
    """Return the one object through which this process reaches a cloud.

    Raises KeyError for an alias that is not configured (any more).
    """
    with _lock:
        if alias not in _clouds:
            config = settings.PROVIDERS[alias]
            backend: Callable[..., Cloud] = import_string(config["BACKEND"])
            _clouds[alias] = backend(**config.get("OPTIONS", {}))
        return _clouds[alias]


def take_calls(alias: str) -> int:
    """Return how many requests this process sent to a cloud since it was last asked."""
    with _lock:
        cloud = _clouds.get(alias)
    return cloud.tally.take() if cloud else 0


def reset() -> None:
    """Forget these objects, so that changed settings take effect."""
    with _lock:
        _clouds.clear()


@checks.register
def check(**kwargs: Any) -> list[checks.CheckMessage]:
    """Report every cloud whose settings its driver refuses; asks no cloud."""
    messages: list[checks.CheckMessage] = []
    for alias in aliases():
        try:
            get(alias)
        except (ImportError, TypeError, ValueError) as error:
            messages.append(
                checks.Error(f"Cloud {alias!r}: {error}", id="compute.E001")
            )
    return messages


@checks.register("clouds", deploy=True)
def check_access(**kwargs: Any) -> list[checks.CheckMessage]:
    """Report every cloud that does not take our account; asks each for its flavors.

    One that does not answer now may do so later: of that it only warns.
    """
    messages: list[checks.CheckMessage] = []
    for alias in aliases():
        try:
            get(alias).flavors.list_all()
        except (ImportError, TypeError, ValueError):
            continue  # the other check reports it
        except ProviderError as error:
            text, hint = f"Cloud {alias!r}: {error}", None
            if isinstance(error, Unauthorized):
                hint = "Is the password right, and has the account a role there?"
            kind = checks.Warning if error.retryable else checks.Error
            id = "compute.W001" if error.retryable else "compute.E002"
            messages.append(kind(text, hint=hint, id=id))
    return messages
