"""ASGI entry point, for runserver and for long-lived connections."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmmanager.settings")
application = get_asgi_application()
