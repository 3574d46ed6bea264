from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.backends.signals import connection_created


class ComputeConfig(AppConfig):
    name = "compute"
    default_auto_field = "django.db.models.BigAutoField"
    default = True

    def ready(self) -> None:
        # Celery finds its tasks here, and the engine gets the list of what is done and
        # the way to announce it; with the tasks comes compute.clouds and its check of
        # the settings.
        from compute import tasks, works
        from compute.engine import queue, work
        from compute.models import search
        from compute.services import quotas

        connection_created.connect(search.add_functions)

        work.install(works.WORKS)
        queue.on_work(tasks.send)
        # Here, and not as a check: no server runs those.
        quotas.require_known_resources()


class ConsoleConfig(AdminConfig):
    """Django's admin, on a site of our own."""

    default_site = "compute.console.site.Console"
