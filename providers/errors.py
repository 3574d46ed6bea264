"""What can go wrong between us and a cloud."""

#: Seconds; a cloud that asks for a longer pause is asked again after this one.
MAX_RETRY_AFTER = 60.0


class ProviderError(Exception):
    """A call to a cloud failed.

    ``service``, ``status`` and ``request_id`` are the cloud's own (``nova``, 409,
    ``req-…``); ``None`` where the cloud never answered. ``code`` is Neutron's name of
    the refusal (``OverQuota``); empty where there is none. ``retry_after`` is the pause
    it asked for, in seconds, cut to `MAX_RETRY_AFTER`.
    """

    #: The same call may succeed later without anybody changing anything.
    retryable = False
    #: The cloud may have done the work although the call failed: read before acting.
    ambiguous = False

    def __init__(
        self,
        message: str,
        *,
        service: str = "nova",
        status: int | None = None,
        request_id: str | None = None,
        code: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.service = service
        self.status = status
        self.request_id = request_id
        self.code = code
        self.retry_after = retry_after and min(max(retry_after, 0.0), MAX_RETRY_AFTER)


class NotFound(ProviderError):
    """What the call names does not exist in the cloud."""


class Conflict(ProviderError):
    """The server's state does not permit this, another task holds it, or a name is taken."""


class QuotaExceeded(ProviderError):
    """The cloud's own quota refuses the request."""


class InvalidRequest(ProviderError):
    """The cloud refuses the request as malformed or impossible."""


class Unauthorized(ProviderError):
    """The cloud does not accept our credentials."""


class Forbidden(ProviderError):
    """The cloud's policy refuses this to our user."""


class Unavailable(ProviderError):
    """The cloud, or a service behind it, cannot answer now.

    The answer was lost: a broken connection, a proxy's 502 or 504, a service that
    failed at its work.
    """

    retryable = True
    ambiguous = True


class Unreachable(Unavailable):
    """The request was turned away before any work began.

    Nobody listened, or the service itself said that it takes no requests now.
    """

    ambiguous = False


class Timeout(ProviderError):
    """The answer did not arrive in time: the work may or may not be done."""

    retryable = True
    ambiguous = True


class UnexpectedResponse(ProviderError):
    """The cloud answered with something outside its own contract."""

    ambiguous = True
