"""Answers that wait: in the thread of their request, or parked where there is a loop."""

from typing import Any, Protocol

from rest_framework.request import Request
from rest_framework.response import Response

from compute.engine.waiting import Parked, Steps, parking_of


class View(Protocol):
    """What a wait needs of DRF's view."""

    request: Request
    args: Any
    kwargs: Any

    def handle_exception(self, exc: Exception, /) -> Response: ...
    def finalize_response(
        self, request: Request, response: Response, /, *args: Any, **kwargs: Any
    ) -> Response: ...


class _Nothing(Response):
    """What the first thread of a parked request answers: nobody gets it."""

    rendered_content = b""


def perform(view: View, steps: Steps[Response], state: Any = None) -> Response:
    """Return what the steps of an answer come to, or nothing of a request that parks.

    ``state`` is that of what the steps have waited for, if they have begun.
    """
    parking = parking_of(view.request)
    try:
        until = steps.send(state)
        while parking is None:
            until = steps.send(until.block())
    except StopIteration as done:
        response: Response = done.value
        return response

    def go_on(state: Any) -> Response:
        """Finish as DRF does, in the view that began: it knows who asks, and for what."""
        try:
            response = perform(view, steps, state)
        except Exception as error:
            response = view.handle_exception(error)
        return view.finalize_response(view.request, response, *view.args, **view.kwargs)

    parking.park(Parked(until, go_on, steps.close, view.request))
    return _Nothing(status=202)
