"""/problems/<code>: what the `type` of every problem document points at."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from compute.api.http.problems import is_browser, registry
from compute.api.http.renderers import answer, with_code
from compute.errors import Problem

#: Code -> what happened, and what to do about it.
EXPLANATIONS = {
    "bad-request": "The request could not be read: its URL, its host or its headers. "
    "Sending it again as it is will not help.",
    "malformed-json": "The body is no JSON, is not UTF-8, or nests too deeply. `detail` "
    "says where.",
    "validation-error": "One or more fields, parameters or headers are not valid. "
    "`errors` has a row for each: a JSON `pointer` into the body, or the name of the "
    "`parameter` or `header`. What is unknown is refused too, never ignored.",
    "cursor-invalid": "A cursor belongs to the filters and the ordering it was made "
    "with. Start again with an empty `cursor=`.",
    "unauthenticated": "Send `Authorization: Bearer TOKEN` with an API token, or with "
    "the access token of a login. The one that was sent is wrong, or was revoked, or "
    "its user is active no more.",
    "token-expired": "Refresh the access token, log in again, or make a new API token.",
    "permission-denied": "Your role in the project does not permit this.",
    "last-admin": "The project would be left without an admin. Make somebody else one "
    "first.",
    "name-conflict": "Something of this name exists already.",
    "rate-limited": "Retry after the seconds in `Retry-After`. `violated_policies` names "
    "what was exceeded, `RateLimit` on every answer says what is left.",
    "resource-limit-exceeded": "A quota of the project or of the cloud is used up. For "
    "the project's, `resource`, `limit`, `used` and `requested` say which.",
    "not-found": "There is no such thing, or you may not see it. Deleted things are "
    "shown with `include_deleted=true` only. A POST that is sent again with its "
    "`Idempotency-Key` gets this once what the first one made is deleted.",
    "method-not-allowed": "The `Allow` header lists the methods of this URL.",
    "not-acceptable": "The API speaks `application/json`.",
    "invalid-transition": "The action is not allowed in the status the resource is in. "
    "`allowed_actions` lists what is.",
    "operation-in-progress": "The VM is busy with the operation `operation_id`. Retry "
    "after it has ended, or send `Prefer: wait=30` and the server queues for you.",
    "operation-cancelled": "Somebody cancelled the operation this call waited for.",
    "resource-in-use": "Something else still depends on it.",
    "delete-protected": "Set `delete_protection` to false first.",
    "concurrent-update": "Somebody else changed it at the same moment. Retry.",
    "not-cancellable": "The operation has ended, or the cloud cannot stop it any more. "
    "Only what nobody has begun, and a create, can be cancelled.",
    "request-timeout": "The body arrived too slowly. Send it at once; behind a proxy that "
    "buffers requests this does not happen.",
    "length-required": "Send `Content-Length`; chunked bodies are not read.",
    "precondition-failed": "The resource has changed since you read it: its `version` "
    "is none of those in `If-Match`. Read it again, then decide.",
    "payload-too-large": "The body is larger than the service takes.",
    "uri-too-long": "The path and its query together are longer than the service takes.",
    "unsupported-media-type": "Send the body as `application/json`.",
    "header-too-large": "One header, which `header` names, or all of them together are "
    "larger than the service takes.",
    "idempotency-key-reused": "A key stands for one request, method, path and body. Take a "
    "new one for another; send the same one again only to repeat.",
    "internal-error": "A defect of the service. Its log has the reason, under the "
    "`request_id` of the problem.",
    "openstack-error": "The cloud refused the call or failed at it. `openstack` has "
    "its own words and its own request id.",
    "openstack-refused": "The cloud says that what was asked for cannot be: an image that "
    "is gone by now, say, or no network to put a server on. `openstack` has its own words.",
    "server-vanished": "The server behind the VM was deleted in the cloud, outside of "
    "this service.",
    "not-ready": "The database, the broker or the disk is not available. `checks` "
    "says which.",
    "cloud-busy": "As many requests as may wait for an answer of the cloud at a time do "
    "so. Ask again in a few seconds.",
    "database-unavailable": "The database cannot be reached, is locked or is full. "
    "Nothing of the request was done, unless the connection broke in the very moment it "
    "was committed: an `Idempotency-Key` makes the retry safe.",
    "openstack-unavailable": "The cloud does not answer at the moment.",
    "openstack-timeout": "The cloud did not finish in time. What it began may still "
    "come to an end.",
}


def index(request: HttpRequest) -> HttpResponse:
    """List all codes."""
    problems = [explained(problem) for problem in registry().values()]
    if is_browser(request):
        return render(request, "compute/problems.html", {"problems": problems})
    return _json(problems)


def page(request: HttpRequest, code: str) -> HttpResponse:
    """Explain one code."""
    problem = registry().get(code)
    if problem is None:
        raise Http404
    if is_browser(request):
        return render(request, "compute/problem.html", {"problem": for_people(problem)})
    return _json(explained(problem))


def for_people(problem: type[Problem]) -> dict[str, object]:
    """Return what a page shows of a code."""
    return {**explained(problem), "explanation": with_code(EXPLANATIONS[problem.code])}


def explained(problem: type[Problem]) -> dict[str, object]:
    return {
        "code": problem.code,
        "status": problem.status,
        "title": problem.title,
        "retryable": problem.retryable,
        "explanation": EXPLANATIONS[problem.code],
    }


def _json(data: object) -> HttpResponse:
    return HttpResponse(answer(data), content_type="application/json")
