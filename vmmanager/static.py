"""Static files, found where they lie in development."""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import SuspiciousFileOperation
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # not typed
    """Serves them; what leads out of their folder is a file like any that is not there."""

    def candidate_paths_for_url(self, url: str) -> Iterator[Any]:
        try:
            yield from super().candidate_paths_for_url(url)
        except SuspiciousFileOperation:
            return
