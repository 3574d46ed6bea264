"""Why a request is refused or an operation failed, in the words of the API.

Each class is one code of the problem registry. `compute.api.http.problems` turns one
into an HTTP answer; a failed operation stores the same as its ``error``, so that who
waited and who polled read the same.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from providers import errors as provider_errors

#: Rows of a `ValidationError`, and characters of each text in them.
MAX_ERRORS = 50
MAX_ERROR_TEXT = 512


class Problem(Exception):
    """A refusal with a code of the registry.

    ``detail`` is for people; ``members`` are the code's own fields.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[int]
    retryable: ClassVar[bool] = False
    #: Seconds a client shall wait before it tries again.
    retry_after: int | None = None

    def __init__(self, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members

    def document(self) -> dict[str, Any]:
        """Return what a failed operation stores as its error."""
        return {
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "retryable": self.retryable,
            **self.members,
        }


class ValidationError(Problem):
    """Request is not valid."""

    code = "validation-error"
    title = "Request is not valid"
    status = 400

    def __init__(self, errors: Sequence[Mapping[str, str]], *, more: int = 0) -> None:
        """Take ``{"pointer" or "parameter" or "header", "code", "detail"}`` rows.

        ``more`` is how many others there are. The document stays small whatever was
        sent: it has the first rows, each cut.
        """
        rows = [
            {name: _cut(text) for name, text in row.items()}
            for row in errors[:MAX_ERRORS]
        ]
        count = len(errors) + more
        detail = rows[0]["detail"] if count == 1 else f"{count} fields are not valid."
        members = {"more_errors": count - len(rows)} if count > len(rows) else {}
        super().__init__(detail, errors=rows, **members)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_ERROR_TEXT else f"{text[:MAX_ERROR_TEXT]}…"


class Unauthenticated(Problem):
    code = "unauthenticated"
    title = "Authentication is needed"
    status = 401


class TokenExpired(Problem):
    code = "token-expired"
    title = "The token has expired"
    status = 401


class PermissionDenied(Problem):
    code = "permission-denied"
    title = "Not permitted"
    status = 403


class NotFound(Problem):
    code = "not-found"
    title = "Not found"
    status = 404


class InvalidTransition(Problem):
    code = "invalid-transition"
    title = "Action not allowed in this state"
    status = 409


class OperationInProgress(Problem):
    code = "operation-in-progress"
    title = "Another operation is in progress"
    status = 409
    retryable = True
    retry_after = 2


class ResourceInUse(Problem):
    code = "resource-in-use"
    title = "Resource is in use"
    status = 409


class NameConflict(Problem):
    code = "name-conflict"
    title = "The name is taken"
    status = 409


class LastAdmin(Problem):
    code = "last-admin"
    title = "A project keeps an admin"
    status = 409


class DeleteProtected(Problem):
    code = "delete-protected"
    title = "Protected from deletion"
    status = 409


class ConcurrentUpdate(Problem):
    code = "concurrent-update"
    title = "Changed by somebody else at the same moment"
    status = 409
    retryable = True
    retry_after = 1


class NotCancellable(Problem):
    code = "not-cancellable"
    title = "Operation cannot be cancelled"
    status = 409


class OperationCancelled(Problem):
    code = "operation-cancelled"
    title = "The operation was cancelled"
    status = 409


class PreconditionFailed(Problem):
    code = "precondition-failed"
    title = "Precondition failed"
    status = 412


class RateLimited(Problem):
    code = "rate-limited"
    title = "Too many requests"
    status = 429
    retryable = True


class IdempotencyKeyReused(Problem):
    code = "idempotency-key-reused"
    title = "Idempotency-Key belongs to another request"
    status = 422


class InternalError(Problem):
    code = "internal-error"
    title = "Internal error"
    status = 500


class OpenStackError(Problem):
    code = "openstack-error"
    title = "The cloud refused or failed"
    status = 502


class OpenStackRefused(Problem):
    code = "openstack-refused"
    title = "The cloud finds the request impossible"
    status = 400


class ServerVanished(Problem):
    code = "server-vanished"
    title = "The server no longer exists in the cloud"
    status = 502


class OpenStackUnavailable(Problem):
    code = "openstack-unavailable"
    title = "The cloud cannot answer now"
    status = 503
    retryable = True
    retry_after = 5


class CloudBusy(Problem):
    code = "cloud-busy"
    title = "Too many requests are waiting for the cloud"
    status = 503
    retryable = True
    retry_after = 5


class DatabaseUnavailable(Problem):
    code = "database-unavailable"
    title = "The database cannot answer now"
    status = 503
    retryable = True
    retry_after = 5


class OpenStackTimeout(Problem):
    code = "openstack-timeout"
    title = "The cloud did not finish in time"
    status = 504
    retryable = True
    retry_after = 5


class ResourceLimitExceeded(Problem):
    code = "resource-limit-exceeded"
    title = "Limit exceeded"
    status = 403


def from_provider(error: provider_errors.ProviderError) -> Problem:
    """Return the problem that tells a cloud's error to a user."""
    kind: type[Problem] = OpenStackError
    detail = str(error)
    match error:
        case provider_errors.Timeout():
            kind, detail = OpenStackTimeout, f"The cloud did not answer: {error}"
        case provider_errors.QuotaExceeded():
            kind = ResourceLimitExceeded
        case provider_errors.InvalidRequest():
            kind = OpenStackRefused
        case provider_errors.Unavailable():
            kind = OpenStackUnavailable
    problem = kind(
        detail,
        openstack={
            "service": error.service,
            "status": error.status,
            "message": error.message,
            "request_id": error.request_id,
        },
    )
    if problem.retryable and error.retry_after:
        problem.retry_after = math.ceil(error.retry_after)
    return problem
