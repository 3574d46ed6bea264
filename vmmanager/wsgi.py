"""WSGI entry point of the API: `granian --interface wsgi vmmanager.wsgi:application`."""

import os

import structlog
from django.conf import settings
from django.core.wsgi import get_wsgi_application

from compute.api import intake

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmmanager.settings")
application = intake.WSGI(get_wsgi_application())

from compute.api import docs  # noqa: E402  # needs the applications that are loaded now

docs.write()

if not settings.CELERY_BROKER_URL:
    structlog.get_logger(__name__).warning(
        "no worker is reached: CELERY_BROKER_URL is empty, and only runserver embeds one"
    )
