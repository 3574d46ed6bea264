"""Misbehaviour on demand.

Faults are rows in the mock's file, so that a test can put them into a service that
runs in other processes. `Controls.inject` describes them.
"""

import os
import re
import signal
import sqlite3
import time
import uuid
from dataclasses import dataclass, field
from typing import Literal, get_args

from providers.contract.servers import ServerVerb
from providers.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    ProviderError,
    QuotaExceeded,
    Timeout,
    Unauthorized,
    Unavailable,
    Unreachable,
)

Kind = Literal[
    "fail",
    "quota",
    "truncate",
    "refuse",
    "drop",
    "hang",
    "slow",
    "lose_response",
    "die_before",
    "die_after",
    "hidden",
    "build_error",
    "fail_async",
    "stuck",
    "half",
]

#: End the call before any work is done. One of them at most acts on a call.
_ENDING = ("fail", "quota", "refuse", "drop", "hang", "die_before")
#: Kinds of Neutron's things: the first word of its calls.
_NEUTRON = {
    "networks": "network",
    "subnets": "subnet",
    "routers": "router",
    "ports": "port",
    "floating_ips": "floatingip",
    "security_groups": "security_group",
}
_CHANGES = frozenset(
    f"servers.{verb}"
    for verb in (
        *("create", "delete", "reboot", "resize", "rebuild", "snapshot"),
        *("attach_port", "detach_port"),
        *get_args(ServerVerb),
    )
)
#: Calls that a kind can act on; kinds not listed act on every call.
_ONLY_ON = {
    "truncate": frozenset({"servers.list_all"}),
    "hidden": frozenset(
        {
            "servers.create",
            "security_groups.create_rule",
            *(f"{noun}.create" for noun in _NEUTRON),
        }
    ),
    "build_error": frozenset({"servers.create"}),
    "half": frozenset({"routers.create"}),
    "fail_async": _CHANGES,
    "stuck": _CHANGES,
}

_ERRORS: dict[int, tuple[type[ProviderError], str]] = {
    400: (InvalidRequest, "Bad request"),
    401: (Unauthorized, "The request you have made requires authentication."),
    403: (Forbidden, "Policy doesn't allow this to be performed."),
    404: (NotFound, "The resource could not be found."),
    409: (Conflict, "There was a conflict with another request."),
    412: (Conflict, "Constrained to 2, but current revision is 3"),
    413: (QuotaExceeded, "Quota exceeded."),
    429: (Unreachable, "This request was rate-limited."),
    500: (Unavailable, "Unexpected API Error."),
    503: (Unreachable, "The server is currently unavailable."),
}
#: What a proxy between us and the cloud says when it has no answer for us.
_PROXYS = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Time-out"}
#: Kind -> the statuses it can have; a kind that is not listed has none.
_STATUSES = {
    "fail": frozenset(_ERRORS),
    "truncate": frozenset(_ERRORS),
    "drop": frozenset(_PROXYS),
    "lose_response": frozenset(_PROXYS),
}
_QUOTA_WORDS = (
    "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances"
)
_KEYPAIR_QUOTA_WORDS = "Quota exceeded, too many key pairs."


@dataclass(frozen=True, slots=True)
class Fault:
    """One injected fault that acts on a call."""

    kind: str
    delay: float
    message: str | None
    status: int | None
    retry_after: float | None
    code: str


#: Of a cloud where nobody listens.
AWAY = Fault("refuse", 0.0, None, None, None, "")


@dataclass(frozen=True, slots=True)
class Call:
    """One call to the cloud, and the faults that shape it."""

    op: str
    call_timeout: float
    faults: dict[str, Fault] = field(default_factory=dict)
    #: The cloud's own id of this call.
    request_id: str = field(default_factory=lambda: f"req-{uuid.uuid4()}")

    def begin(self) -> None:
        """Suffer the faults that come before the work."""
        if "slow" in self.faults:
            self._sleep(self.faults["slow"])
        if "die_before" in self.faults:
            os.kill(os.getpid(), signal.SIGKILL)
        if "hang" in self.faults:
            self._time_out(self.faults["hang"])
        for kind in ("refuse", "drop", "quota", "fail"):
            if kind in self.faults:
                raise self._error(self.faults[kind])

    def turn_page(self) -> None:
        """Suffer a listing that breaks after its first page."""
        if "truncate" in self.faults:
            raise self._error(self.faults["truncate"])

    def end(self) -> None:
        """Suffer the faults that come after the work."""
        if "die_after" in self.faults:
            os.kill(os.getpid(), signal.SIGKILL)
        lost = self.faults.get("lose_response") or self.faults.get("half")
        if lost is not None and lost.status is None:
            self._time_out(lost)
        elif lost is not None:
            self._sleep(lost)
            raise self._error(lost)

    def _sleep(self, fault: Fault) -> None:
        time.sleep(min(fault.delay, self.call_timeout))

    def _time_out(self, fault: Fault) -> None:
        self._sleep(fault)
        words = fault.message or f"{self.op}: no answer in time"
        raise Timeout(words, service=self._service)

    def _error(self, fault: Fault) -> ProviderError:
        error, status, words = self._refusal(fault)
        in_neutron = fault.kind == "quota" and self._service == "neutron"
        return error(
            fault.message or words,
            service=self._service,
            status=status,
            request_id=None if status is None else self.request_id,
            code="OverQuota" if in_neutron else fault.code,
            retry_after=fault.retry_after,
        )

    @property
    def _service(self) -> str:
        return "neutron" if self.op.partition(".")[0] in _NEUTRON else "nova"

    def _refusal(self, fault: Fault) -> tuple[type[ProviderError], int | None, str]:
        match fault.kind:
            case "refuse":
                return Unreachable, None, f"{self.op}: connection refused"
            case "quota" if self._service == "neutron":
                resource = _NEUTRON[self.op.partition(".")[0]]
                if self.op.endswith("_rule"):
                    resource += "_rule"
                words = f"Quota exceeded for resources: ['{resource}']."
                return QuotaExceeded, 409, words
            case "quota":
                keypair = self.op == "keypairs.create"
                words = _KEYPAIR_QUOTA_WORDS if keypair else _QUOTA_WORDS
                return QuotaExceeded, 403, words
            case "drop" | "lose_response":
                words = f"{self.op}: the connection broke"
                if fault.status is not None:
                    words = _PROXYS[fault.status]
                return Unavailable, fault.status, words
            case _:
                status = fault.status or 500
                error, words = _ERRORS[status]
                return error, status, words


def check_status(kind: str, status: int | None) -> None:
    """Raise ValueError for a status that a kind cannot have."""
    if status is not None and status not in _STATUSES.get(kind, ()):
        raise ValueError(f"{status!r} is no status that {kind!r} can have")


def check_kind(op: str, kind: str) -> None:
    """Raise ValueError for a kind that cannot act on ``op``."""
    allowed = _ONLY_ON.get(kind)
    if allowed is not None and op != "*" and op not in allowed:
        names = ", ".join(sorted(allowed))
        raise ValueError(f"{kind!r} acts on {names}, not on {op!r}")


def take(db: sqlite3.Connection, op: str, subject: str) -> dict[str, Fault]:
    """Count the call, and use up and return the faults that act on it.

    Of each kind the oldest acts. A fault that ends the call spares the others for a
    later one.
    """
    db.execute(
        "INSERT INTO calls (op, n) VALUES (?, 1)"
        " ON CONFLICT (op) DO UPDATE SET n = n + 1",
        (op,),
    )
    rows = db.execute(
        "SELECT * FROM faults WHERE op IN (?, '*') ORDER BY number", (op,)
    ).fetchall()
    chosen: dict[str, sqlite3.Row] = {}
    for row in rows:
        if _acts_on(row, op, subject):
            chosen.setdefault(row["kind"], row)
    ending = [row for kind, row in chosen.items() if kind in _ENDING]
    if ending:
        chosen = {ending[0]["kind"]: ending[0]}
    for row in chosen.values():
        _use_up(db, row)
    return {
        kind: Fault(
            kind=kind,
            delay=row["delay"],
            message=row["message"],
            status=row["status"],
            retry_after=row["retry_after"],
            code=row["code"],
        )
        for kind, row in chosen.items()
    }


def _acts_on(row: sqlite3.Row, op: str, subject: str) -> bool:
    if op not in _ONLY_ON.get(row["kind"], (op,)):
        return False
    return row["match"] is None or re.search(row["match"], subject) is not None


def _use_up(db: sqlite3.Connection, row: sqlite3.Row) -> None:
    if row["times"] == 1:
        db.execute("DELETE FROM faults WHERE number = ?", (row["number"],))
    else:
        db.execute(
            "UPDATE faults SET times = times - 1 WHERE number = ?", (row["number"],)
        )
