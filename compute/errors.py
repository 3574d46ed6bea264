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
    #: What happened and what to do about it; code between backticks.
    explanation: ClassVar[str]
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
    explanation = (
        "One or more fields, parameters or headers are not valid. `errors` has a "
        "row for each: a JSON `pointer` into the body, or the name of the "
        "`parameter` or `header`. What is unknown is refused too, never ignored."
    )

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
    explanation = (
        "Send `Authorization: Bearer TOKEN` with an API token, or with the access "
        "token of a login. The one that was sent is wrong, or was revoked, or its "
        "user is active no more."
    )


class TokenExpired(Problem):
    code = "token-expired"
    title = "The token has expired"
    status = 401
    explanation = "Refresh the access token, log in again, or make a new API token."


class PermissionDenied(Problem):
    code = "permission-denied"
    title = "Not permitted"
    status = 403
    explanation = "Your role in the project does not permit this."


class NotFound(Problem):
    code = "not-found"
    title = "Not found"
    status = 404
    explanation = (
        "There is no such thing, or you may not see it. Deleted things are shown "
        "with `include_deleted=true` only. A POST that is sent again with its "
        "`Idempotency-Key` gets this once what the first one made is deleted."
    )


class InvalidTransition(Problem):
    code = "invalid-transition"
    title = "Action not allowed in this state"
    status = 409
    explanation = (
        "The action is not allowed in the status the resource is in. "
        "`allowed_actions` lists what is."
    )


class OperationInProgress(Problem):
    code = "operation-in-progress"
    title = "Another operation is in progress"
    status = 409
    retryable = True
    retry_after = 2
    explanation = (
        "The VM is busy with the operation `operation_id`. Retry after it has "
        "ended, or send `Prefer: wait=30` and the server queues for you."
    )


class ResourceInUse(Problem):
    code = "resource-in-use"
    title = "Resource is in use"
    status = 409
    explanation = "Something else still depends on it."


class NameConflict(Problem):
    code = "name-conflict"
    title = "The name is taken"
    status = 409
    explanation = "Something of this name exists already."


class LastAdmin(Problem):
    code = "last-admin"
    title = "A project keeps an admin"
    status = 409
    explanation = (
        "The project would be left without an admin. Make somebody else one first."
    )


class DeleteProtected(Problem):
    code = "delete-protected"
    title = "Protected from deletion"
    status = 409
    explanation = "Set `delete_protection` to false first."


class ConcurrentUpdate(Problem):
    code = "concurrent-update"
    title = "Changed by somebody else at the same moment"
    status = 409
    retryable = True
    retry_after = 1
    explanation = "Somebody else changed it at the same moment. Retry."


class NotCancellable(Problem):
    code = "not-cancellable"
    title = "Operation cannot be cancelled"
    status = 409
    explanation = (
        "The operation has ended, or the cloud cannot stop it any more. Only what "
        "nobody has begun, and a create, can be cancelled."
    )


class OperationCancelled(Problem):
    code = "operation-cancelled"
    title = "The operation was cancelled"
    status = 409
    explanation = "Somebody cancelled the operation this call waited for."


class PreconditionFailed(Problem):
    code = "precondition-failed"
    title = "Precondition failed"
    status = 412
    explanation = (
        "The resource has changed since you read it: its `version` is none of those "
        "in `If-Match`. Read it again, then decide."
    )


class RateLimited(Problem):
    code = "rate-limited"
    title = "Too many requests"
    status = 429
    retryable = True
    explanation = (
        "Retry after the seconds in `Retry-After`. `violated_policies` names what "
        "was exceeded, `RateLimit` on every answer says what is left."
    )


class IdempotencyKeyReused(Problem):
    code = "idempotency-key-reused"
    title = "Idempotency-Key belongs to another request"
    status = 422
    explanation = (
        "A key stands for one request, method, path and body. Take a new one for "
        "another; send the same one again only to repeat."
    )


class InternalError(Problem):
    code = "internal-error"
    title = "Internal error"
    status = 500
    explanation = (
        "A defect of the service. Its log has the reason, under the `request_id` of "
        "the problem."
    )


class OpenStackError(Problem):
    code = "openstack-error"
    title = "The cloud refused or failed"
    status = 502
    explanation = (
        "The cloud refused the call or failed at it. `openstack` has its own words "
        "and its own request id."
    )


class OpenStackRefused(Problem):
    code = "openstack-refused"
    title = "The cloud finds the request impossible"
    status = 400
    explanation = (
        "The cloud says that what was asked for cannot be: an image that is gone by "
        "now, say, or no network to put a server on. `openstack` has its own words."
    )


class ServerVanished(Problem):
    code = "server-vanished"
    title = "The server no longer exists in the cloud"
    status = 502
    explanation = (
        "The server behind the VM was deleted in the cloud, outside of this service."
    )


class OpenStackUnavailable(Problem):
    code = "openstack-unavailable"
    title = "The cloud cannot answer now"
    status = 503
    retryable = True
    retry_after = 5
    explanation = "The cloud does not answer at the moment."


class CloudBusy(Problem):
    code = "cloud-busy"
    title = "Too many requests are waiting for the cloud"
    status = 503
    retryable = True
    retry_after = 5
    explanation = (
        "As many requests as may wait for an answer of the cloud at a time do so. "
        "Ask again in a few seconds."
    )


class DatabaseUnavailable(Problem):
    code = "database-unavailable"
    title = "The database cannot answer now"
    status = 503
    retryable = True
    retry_after = 5
    explanation = (
        "The database cannot be reached, is locked or is full. Nothing of the "
        "request was done, unless the connection broke in the very moment it was "
        "committed: an `Idempotency-Key` makes the retry safe."
    )


class OpenStackTimeout(Problem):
    code = "openstack-timeout"
    title = "The cloud did not finish in time"
    status = 504
    retryable = True
    retry_after = 5
    explanation = (
        "The cloud did not finish in time. What it began may still come to an end."
    )


class ResourceLimitExceeded(Problem):
    code = "resource-limit-exceeded"
    title = "Limit exceeded"
    status = 403
    explanation = (
        "A quota of the project or of the cloud is used up. For the project's, "
        "`resource`, `limit`, `used` and `requested` say which."
    )


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
