from django.apps import AppConfig
from django.db.backends.signals import connection_created


class ComputeConfig(AppConfig):
    name = "compute"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Celery finds its tasks here, and services get the way to announce work; with
        # the tasks comes compute.clouds and its check of the settings.
        from compute import tasks
        from compute.models import search
        from compute.services import quotas

        connection_created.connect(search.add_functions)

        tasks.connect()
        # Here, and not as a check: no server runs those.
        quotas.require_known_resources()
