"""Which network a server gets that names none, and the ports servers leave behind."""

from providers.base import Port, Receipt
from providers.errors import Forbidden, InvalidRequest
from providers.openstack.wire.answers import reading
from providers.openstack.wire.refusals import request_id_of
from providers.openstack.wire.transport import Transport


def find_default(transport: Transport, name: str) -> str:
    """Return the id of the network new servers get.

    That is ``name`` (a name or an id), or else the only non-external network our
    project may use. Raises `providers.errors.InvalidRequest` where that is none or
    several.
    """
    with reading("neutron"):
        networks = transport.read_all("neutron", "/networks", "networks", params={})
        if name:
            found = [n for n in networks if name in (n["id"], n["name"])]
            wanted = f"named {name!r}"
        else:
            project_id = transport.project_id
            found = [
                n
                for n in networks
                if not n["router:external"]
                and (n["shared"] or n["project_id"] == project_id)
            ]
            wanted = "that is not external"
        if len(found) == 1:
            return str(found[0]["id"])
        there = ", ".join(sorted(n["name"] or n["id"] for n in found)) or "none"
    raise InvalidRequest(
        f"A server that names no network needs exactly one {wanted}; there is {there}."
        " The cloud's option 'network' says which to take.",
        service="neutron",
        status=400,
    )


def list_ports(transport: Transport) -> list[Port]:
    """Return the ports of our project that belong to servers."""
    params = {
        "fields": ["id", "device_id", "device_owner"],
        "project_id": transport.project_id,
    }
    with reading("neutron"):
        ports = transport.read_all("neutron", "/ports", "ports", params=params)
        return [
            Port(id=port["id"], server_id=port["device_id"])
            for port in ports
            if port["device_owner"].startswith("compute:")
        ]


def delete_port(transport: Transport, port_id: str, *, request_id: str) -> Receipt:
    """Delete a port; where that is for services only, release it first.

    Newer Neutron lets a member of a project delete unused ports, but none that says it
    belongs to a server, even if that server is gone.
    """
    path = f"/ports/{port_id}"
    try:
        answer = transport.request("neutron", "DELETE", path, request_id=request_id)
    except Forbidden:
        unused = {"port": {"device_owner": ""}}
        transport.request("neutron", "PUT", path, json=unused, request_id=request_id)
        answer = transport.request("neutron", "DELETE", path, request_id=request_id)
    return Receipt(request_id_of(answer))
