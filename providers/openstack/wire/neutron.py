"""What the services of Neutron have in common: one collection of resources each."""

from collections.abc import Sequence

from providers.contract.calls import Receipt
from providers.contract.networks import MARKER_PREFIX
from providers.errors import NotFound, Unavailable
from providers.openstack.wire.answers import Json, reading
from providers.openstack.wire.refusals import request_id_of
from providers.openstack.wire.transport import Params, Transport, body_of

#: How often a listing is begun whose next page cannot be found.
_WALKS = 3


class Collection:
    """The resources under one path, such as ``/floatingips``.

    ``noun`` is what a body has them under, ``fields`` what a listing asks for (empty:
    all), ``shared`` whether those of other projects belong to it too.
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        noun: str,
        *,
        fields: Sequence[str] = (),
        shared: bool = False,
    ) -> None:
        self._transport = transport
        self._path = path
        self._noun = noun
        self._fields = fields
        self._shared = shared

    def list_all(self, **filters: str) -> list[Json]:
        """Return the bodies of all, or of those that the filters leave."""
        params: dict[str, str | Sequence[str]] = dict(filters)
        if self._fields:
            params["fields"] = self._fields
        if not self._shared:
            # An operator's credentials would list those of every project.
            params["project_id"] = self._transport.project_id
        return self._walk(params)

    def _walk(self, params: Params) -> list[Json]:
        """Read all pages, again from the first when the last thing of one is gone.

        Neutron answers 404 for the page after something that was deleted meanwhile.
        """
        key = f"{self._noun}s"
        for _ in range(_WALKS):
            try:
                return self._transport.read_all(
                    "neutron", self._path, key, params=params
                )
            except NotFound as exc:
                cause = exc
        raise Unavailable(
            cause.message,
            service="neutron",
            status=cause.status,
            request_id=cause.request_id,
            code=cause.code,
        ) from cause

    def find(self, marker: str) -> list[Json]:
        """Return the bodies of those created with exactly this marker."""
        # The filter ignores the case of letters and blanks at the end.
        found = self.list_all(description=marker)
        return [body for body in found if body["description"] == marker]

    def get(self, resource_id: str) -> Json:
        """Return the body of one."""
        answer = self._transport.read("neutron", f"{self._path}/{resource_id}")
        return dict(answer[self._noun])

    def create(self, values: Json, *, marker: str, request_id: str) -> Receipt:
        """Make one; ``marker`` goes into its description."""
        answer = self._transport.request(
            "neutron",
            "POST",
            self._path,
            json={self._noun: {"description": marker, **values}},
            request_id=request_id,
        )
        with reading("neutron"):
            created_id = body_of("neutron", answer)[self._noun]["id"]
        return Receipt(request_id_of(answer), created_id)

    def update(self, resource_id: str, values: Json, *, request_id: str) -> Receipt:
        """Change these values of one."""
        return self.put(resource_id, {self._noun: values}, request_id=request_id)

    def put(self, path: str, body: Json, *, request_id: str) -> Receipt:
        """Send a body to one of them, or to what is below it."""
        answer = self._transport.request(
            "neutron", "PUT", f"{self._path}/{path}", json=body, request_id=request_id
        )
        return Receipt(request_id_of(answer))

    def delete(self, resource_id: str, *, request_id: str) -> Receipt:
        """Delete one."""
        answer = self._transport.request(
            "neutron", "DELETE", f"{self._path}/{resource_id}", request_id=request_id
        )
        return Receipt(request_id_of(answer))


def marker_of(body: Json) -> str:
    """Return the marker that something was created with, or an empty text."""
    description = str(body.get("description") or "")
    return description if description.startswith(MARKER_PREFIX) else ""
