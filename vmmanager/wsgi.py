"""WSGI entry point of the API: `granian --interface wsgi vmmanager.wsgi:application`."""

import os
from typing import Any

import structlog
from django.conf import settings
from django.core.wsgi import get_wsgi_application

from vmmanager import server

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmmanager.settings")


def _make() -> Any:
    from compute.api.http import intake

    return intake.WSGI(get_wsgi_application())


application = server.start(_make)
if server.is_granian():
    server.before_stop()

if not settings.CELERY_BROKER_URL:
    structlog.get_logger(__name__).warning(
        "no worker can be reached: CELERY_BROKER_URL is empty, and only "
        "runserver embeds one"
    )
