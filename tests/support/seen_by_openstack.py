"""What a cloud has, read by openstacksdk and not by our driver."""

from typing import Any

from openstack.connection import Connection

from tests.support.openstack_service import Json


class Cloud:
    """What the cloud has, in its own words."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.project_id = str(connection.current_project_id)

    def servers_of(self, vm: Json) -> list[Any]:
        return list(self.connection.compute.servers(tags=vm["id"]))

    def server_of(self, vm: Json) -> Any:
        (server,) = self.servers_of(vm)
        return server

    def records_of(self, vm: Json) -> list[str]:
        """Return what Nova noted of a VM's server, newest first."""
        server = self.server_of(vm)
        return [r.action for r in self.connection.compute.server_actions(server)]

    def images(self) -> list[Any]:
        return list(self.connection.image.images(owner=self.project_id))

    def leftovers(self) -> list[str]:
        """Return whatever the project has: servers, images, ports of servers."""
        ports = self.connection.network.ports(project_id=self.project_id)
        return [
            *(f"server {s.name} {s.status}" for s in self.connection.compute.servers()),
            *(f"image {image.name}" for image in self.images()),
            *(
                f"port of {port.device_id}"
                for port in ports
                if port.device_owner.startswith("compute:")
            ),
        ]

    def purge(self) -> None:
        """Delete all of it; that takes a moment."""
        for server in self.connection.compute.servers():
            self.connection.compute.delete_server(server)
        for image in self.images():
            self.connection.image.delete_image(image)
