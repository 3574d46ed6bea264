"""Why a request is refused or an operation failed, in the words of the API.

Each class is one code of the problem registry. `compute.api.http.problems` turns one
into an HTTP answer; a failed operation stores the same as its ``error``, so that who
waited and who polled read the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

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
    #: The field of a form that asks for what is refused.
    field: str = ""

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


class CursorExpired(Problem):
    code = "cursor-expired"
    title = "The log no longer reaches back so far"
    status = 410
    explanation = (
        "The cursor is older than the log can be followed from (`EVENT_STREAM_DAYS`), so "
        "that events would be missed. List what you follow again, and go on from the "
        "`Event-Cursor` of that list."
    )


class Unauthenticated(Problem):
    code = "unauthenticated"
    title = "Authentication required"
    status = 401
    explanation = (
        "Send `Authorization: Bearer TOKEN` with an API token, or with the "
        "access token of a login. The one that was sent is wrong or revoked, or"
        " its user is no longer active."
    )


class TokenExpired(Problem):
    code = "token-expired"
    title = "The token has expired"
    status = 401
    explanation = "Refresh the access token, log in again, or create a new API token."


class PermissionDenied(Problem):
    code = "permission-denied"
    title = "Not permitted"
    status = 403
    explanation = "Your role in the project does not permit this."

    def __init__(self, detail: str, *, field: str = "", **members: Any) -> None:
        super().__init__(detail, **members)
        self.field = field


class NotFound(Problem):
    code = "not-found"
    title = "Not found"
    status = 404
    explanation = (
        "It does not exist, or you may not see it. Deleted resources are shown "
        "only with `include_deleted=true`. A POST that is repeated with its "
        "`Idempotency-Key` gets this if what the first one created has been "
        "deleted."
    )


class InvalidTransition(Problem):
    code = "invalid-transition"
    title = "Action not allowed in this state"
    status = 409
    explanation = (
        "The action is not allowed in the current status of the resource. "
        "`allowed_actions` lists those that are."
    )


class OperationInProgress(Problem):
    code = "operation-in-progress"
    title = "Another operation is in progress"
    status = 409
    retryable = True
    retry_after = 2
    explanation = (
        "The resource is busy with the operation `operation_id`. Retry when it "
        "has ended, or send `Prefer: wait=30` to queue for it."
    )


class ConsoleNotOffered(Problem):
    code = "console-not-offered"
    title = "The cloud offers no remote console"
    status = 409
    explanation = (
        "Nothing in this cloud shows the screens of its servers. `/vms/{id}/console-log` "
        "has what a server prints."
    )


class ResourceInUse(Problem):
    code = "resource-in-use"
    title = "Resource is in use"
    status = 409
    explanation = "Something else still depends on it."


class RuleExists(Problem):
    code = "rule-exists"
    title = "The group has an equal rule"
    status = 409
    explanation = (
        "The security group already lets this traffic pass. `rule_id` is the "
        "rule that does; a description makes no difference."
    )


class AddressPoolExhausted(Problem):
    code = "address-pool-exhausted"
    title = "No address is left"
    status = 409
    explanation = (
        "The network has no free address. Free one, add a subnet, or ask an "
        "operator to enlarge the external network. `openstack` has the cloud's "
        "own message."
    )


class AddressTaken(Problem):
    code = "address-taken"
    title = "The address is taken"
    status = 409
    explanation = (
        "Something else in the cloud has the address already. `openstack` has "
        "the cloud's own message."
    )


class NoExternalRoute(Problem):
    code = "no-external-route"
    title = "No router leads to the external network"
    status = 409
    explanation = (
        "A floating IP needs a router with a gateway to its external network, "
        "and the VM's subnet attached to that router."
    )


class NameConflict(Problem):
    code = "name-conflict"
    title = "The name is taken"
    status = 409
    explanation = "Something with this name already exists."


class LastAdmin(Problem):
    code = "last-admin"
    title = "A project needs an admin"
    status = 409
    explanation = (
        "The project would be left without an admin. Make somebody else an admin first."
    )


class WebhookDisabled(Problem):
    code = "webhook-disabled"
    title = "The webhook is disabled"
    status = 409
    explanation = "Nothing is sent to it. Set `enabled` to true first."


class DeleteProtected(Problem):
    code = "delete-protected"
    title = "Protected from deletion"
    status = 409
    explanation = "Set `delete_protection` to false first."


class ConcurrentUpdate(Problem):
    code = "concurrent-update"
    title = "Changed by another request at the same time"
    status = 409
    retryable = True
    retry_after = 1
    explanation = "Another request changed it at the same time. Retry."


class NotCancellable(Problem):
    code = "not-cancellable"
    title = "Operation cannot be cancelled"
    status = 409
    explanation = (
        "The operation has ended, or the cloud can no longer stop it. Only a "
        "create, or an operation that has not started, can be cancelled."
    )


class OperationCancelled(Problem):
    code = "operation-cancelled"
    title = "The operation was cancelled"
    status = 409
    explanation = "The operation this call waited for was cancelled."


class PreconditionFailed(Problem):
    code = "precondition-failed"
    title = "Precondition failed"
    status = 412
    explanation = (
        "The resource is not in a state that `If-Match` or `If-None-Match` "
        "allows: it has probably changed since you read it. Read it again, then"
        " decide."
    )


class RateLimited(Problem):
    code = "rate-limited"
    title = "Too many requests"
    status = 429
    retryable = True
    explanation = (
        "Retry after the seconds in `Retry-After`. `violated_policies` names "
        "the limit that was exceeded; `RateLimit` on every answer says what is "
        "left."
    )


class IdempotencyKeyReused(Problem):
    code = "idempotency-key-reused"
    title = "Idempotency-Key was used for another request"
    status = 422
    explanation = (
        "A key stands for one method, path and body. Use a new key for a "
        "different request, and the same key only to repeat one."
    )


class InternalError(Problem):
    code = "internal-error"
    title = "Internal error"
    status = 500
    explanation = (
        "A defect in the service. Its log has the cause, under the `request_id`"
        " of this problem."
    )


class OpenStackError(Problem):
    code = "openstack-error"
    title = "The cloud refused or failed"
    status = 502
    explanation = (
        "The cloud refused the call, or failed to carry it out. `openstack` has"
        " its own message and request id."
    )


class OpenStackRefused(Problem):
    code = "openstack-refused"
    title = "The cloud cannot do what was requested"
    status = 400
    explanation = (
        "The cloud cannot do what was requested: the image no longer exists, "
        "for example, or there is no network for the server. `openstack` has "
        "its own message."
    )


class ServerVanished(Problem):
    code = "server-vanished"
    title = "The server no longer exists in the cloud"
    status = 502
    explanation = (
        "The server behind the VM was deleted in the cloud, outside this service."
    )


class OpenStackUnavailable(Problem):
    code = "openstack-unavailable"
    title = "The cloud is unavailable"
    status = 503
    retryable = True
    retry_after = 5
    explanation = "The cloud is not answering. Retry later."


class CloudBusy(Problem):
    code = "cloud-busy"
    title = "Too many requests are waiting for the cloud"
    status = 503
    retryable = True
    retry_after = 5
    explanation = (
        "No more requests may wait for the cloud at the same time. Try again in"
        " a few seconds."
    )


class DatabaseUnavailable(Problem):
    code = "database-unavailable"
    title = "The database is unavailable"
    status = 503
    retryable = True
    retry_after = 5
    explanation = (
        "The database cannot be reached, is locked or is full. The request had "
        "no effect, unless the connection broke during its commit: an "
        "`Idempotency-Key` makes the retry safe."
    )


class OpenStackTimeout(Problem):
    code = "openstack-timeout"
    title = "The cloud did not finish in time"
    status = 504
    retryable = True
    retry_after = 5
    explanation = "The cloud did not finish in time. What it started may still finish."


class ResourceLimitExceeded(Problem):
    code = "resource-limit-exceeded"
    title = "Limit exceeded"
    status = 403
    explanation = (
        "A quota of the project or of the cloud is exhausted. For a project's "
        "quota, `resource`, `limit`, `used` and `requested` have the numbers."
    )


#: What every document has, beside the members of its code.
_COMMON = frozenset({"title", "status", "code", "detail", "retryable"})


def stored(document: Mapping[str, Any]) -> Problem:
    """Return the problem that a document of an operation was made of."""
    kind = next(
        kind for kind in Problem.__subclasses__() if kind.code == document["code"]
    )
    members = {name: value for name, value in document.items() if name not in _COMMON}
    return kind(document["detail"], **members)
