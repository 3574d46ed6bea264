"""ASGI entry point, for runserver and for long-lived connections."""

import os

from django.core.asgi import get_asgi_application

from compute.api import intake

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmmanager.settings")
application = intake.ASGI(get_asgi_application())
