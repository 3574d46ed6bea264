"""Webhooks: what can be asked of them. How events get there is beside.

`reading` makes deliveries of the log, `claims` says who sends which, `sending` sends
them, and `results` says what comes next.
"""

from compute.services.webhooks.forgetting import forget_old
from compute.services.webhooks.receivers import Receiver, look_up
from compute.services.webhooks.requests import (
    EDITABLE,
    create,
    delete,
    redeliver,
    rotate_secret,
    send_test,
    update,
)
from compute.services.webhooks.sending import work

__all__ = [
    "EDITABLE",
    "Receiver",
    "create",
    "delete",
    "forget_old",
    "look_up",
    "redeliver",
    "rotate_secret",
    "send_test",
    "update",
    "work",
]
