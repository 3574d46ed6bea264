"""WSGI entry point of the API: `granian --interface wsgi vmmanager.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmmanager.settings")
application = get_wsgi_application()
