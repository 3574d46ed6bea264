"""The settings of production, but that receivers of webhooks may be on this machine."""

from vmmanager.settings import *  # noqa: F403  # the same settings, all of them

WEBHOOK_ALLOW_LOOPBACK = True
