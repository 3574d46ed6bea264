"""Wire the service together: settings, URLs, servers, Celery."""

from vmmanager import server  # first: a signal ends what takes seconds from here on
from vmmanager.celery import app as celery_app

__all__ = ["__version__", "celery_app", "server"]

__version__ = "0.1.0"
