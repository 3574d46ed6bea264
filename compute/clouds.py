"""Cloud alias -> provider: the one bridge from settings to providers."""

import threading
from typing import Any

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from providers.base import Provider

_providers: dict[str, Provider] = {}
_lock = threading.Lock()


def aliases() -> list[str]:
    """Return the configured clouds, the default one first."""
    return list(settings.PROVIDERS)


def default_alias() -> str:
    """Return the cloud that takes what names none."""
    return aliases()[0]


def provider(alias: str) -> Provider:
    """Return the one provider object of a cloud in this process.

    Raises KeyError for an alias that is not configured (any more).
    """
    with _lock:
        if alias not in _providers:
            config = settings.PROVIDERS[alias]
            backend: type[Provider] = import_string(config["BACKEND"])
            _providers[alias] = backend(**config.get("OPTIONS", {}))
        return _providers[alias]


def take_calls(alias: str) -> int:
    """Return how many requests this process sent to a cloud since it was last asked."""
    with _lock:
        provider = _providers.get(alias)
    return provider.take_calls() if provider else 0


def reset() -> None:
    """Forget the provider objects, so that changed settings take effect."""
    with _lock:
        _providers.clear()


@checks.register
def check(**kwargs: Any) -> list[checks.CheckMessage]:
    """Report every cloud whose settings its driver refuses; asks no cloud."""
    messages: list[checks.CheckMessage] = []
    for alias in aliases():
        try:
            provider(alias)
        except (ImportError, TypeError, ValueError) as error:
            messages.append(
                checks.Error(f"Cloud {alias!r}: {error}", id="compute.E001")
            )
    return messages
