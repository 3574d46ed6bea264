from importlib import import_module
from pkgutil import iter_modules

from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate


class ComputeConfig(AppConfig):
    name = "compute"
    default_auto_field = "django.db.models.BigAutoField"
    default = True

    def ready(self) -> None:
        # Celery finds its tasks here, and the engine gets the list of what is done and
        # the way to announce it; with the tasks comes compute.clouds and its check of
        # the settings.
        from compute import search, tasks, works
        from compute.engine import queue, work
        from compute.services import groups, quotas

        connection_created.connect(search.add_functions)
        post_migrate.connect(groups.follow_table, sender=self)

        work.install(works.WORKS, works.WATCHES)
        queue.on_work(tasks.send)
        # Here, and not as a check: no server runs those.
        quotas.require_known_resources()


class ConsoleConfig(SimpleAdminConfig):
    """Django's admin on a site of our own, with the pages of compute.admin alone.

    Those of other apps would show refresh tokens.
    """

    default_site = "compute.admin.console.site.Console"

    def ready(self) -> None:
        super().ready()
        # Each file registers its noun. The package itself cannot: it is imported with
        # the site, before there is one to register at.
        from compute import admin

        for module in iter_modules(admin.__path__, "compute.admin."):
            import_module(module.name)
