"""The mock's Neutron from outside: what its operators, and people in Horizon, do."""

import json
import uuid

from providers.contract.security_groups import RuleSpec
from providers.contract.subnets import DEFAULT_GATEWAY
from providers.mock.world import gateways, neutron, ports, ranges, rules
from providers.mock.world.topology import OPERATOR
from providers.mock.world.world import World


class NetworkControls:
    """Changes that nobody is asked about, by other hands than ours.

    They raise `providers.errors.NotFound` for what is not there, and use up no fault.
    """

    def __init__(self, world: World) -> None:
        self._now = world.now
        self._store = world.store

    # Limits

    def set_quota(self, resource: str, limit: int | None) -> None:
        """Limit how many our project may have; ``None``: no limit.

        ``resource`` is Neutron's word: network, subnet, router, port, floatingip,
        security_group or security_group_rule. Raises ValueError for another.
        """
        if resource not in neutron.RESOURCES.values():
            raise ValueError(f"Neutron has no quota of {resource!r}")
        with self._store.transaction() as db:
            db.execute("DELETE FROM neutron_quotas WHERE resource = ?", (resource,))
            if limit is not None:
                db.execute(
                    "INSERT INTO neutron_quotas (resource, most) VALUES (?, ?)",
                    (resource, limit),
                )

    def exhaust_addresses(self, network_id: str, *, exhausted: bool = True) -> None:
        """Have no address left on a network for who asks for any; or have some again."""
        self._update("networks", network_id, exhausted=exhausted)

    # Networks

    def add_network(
        self,
        name: str,
        *,
        shared: bool = False,
        external: bool = False,
        cidr: str | None = None,
    ) -> str:
        """Make a network that an operator owns, with a subnet if a CIDR is given."""
        with self._store.transaction() as db:
            network_id = neutron.insert(
                db,
                "networks",
                None,
                self._now(),
                project=OPERATOR,
                name=name,
                shared=shared,
                external=external,
            )
            if cidr is not None:
                network = ranges.network_of(cidr, dhcp=True)
                gateway_ip = ranges.gateway_of(DEFAULT_GATEWAY, network)
                neutron.insert(
                    db,
                    "subnets",
                    None,
                    self._now(),
                    project=OPERATOR,
                    network_id=network_id,
                    cidr=str(network),
                    ip_version=network.version,
                    gateway_ip=gateway_ip,
                    dns_nameservers="[]",
                    dhcp=True,
                    allocation_pools=json.dumps(
                        ranges.default_pools(network, gateway_ip)
                    ),
                )
        return network_id

    def rename_network(self, network_id: str, name: str) -> None:
        """Give a network another name."""
        self._update("networks", network_id, name=name)

    def delete_network(self, network_id: str) -> None:
        """Delete a network and all that is on it, whoever uses it."""
        with self._store.transaction() as db:
            neutron.get(db, "networks", network_id, self._now())
            for table, column in (
                ("routers", "external_network_id"),
                ("floating_ips", "network_id"),
            ):
                for row in neutron.rows(
                    db, table, self._now(), f"{column} = ?", network_id
                ):
                    if table == "routers":
                        gateways.disconnect(db, row["id"])
                    else:
                        gateways.give_back(db, row["id"])
            for port_id in ports.ids_on(db, network_id):
                ports.remove(db, port_id)
            db.execute("DELETE FROM subnets WHERE network_id = ?", (network_id,))
            neutron.delete(db, "networks", network_id)

    # Routers and floating IPs

    def set_router_gateway(self, router_id: str, network_id: str | None) -> None:
        """Connect a router to an external network or to none, whoever needs it.

        To none is what is left of a create that Neutron was killed in.
        """
        with self._store.transaction() as db:
            now = self._now()
            neutron.get(db, "routers", router_id, now)
            gateways.disconnect(db, router_id)
            if network_id is not None:
                network = gateways.external(db, network_id, now)
                gateways.connect(db, router_id, network, None, now)

    def move_floating_ip(self, floating_ip_id: str, port_id: str | None) -> None:
        """Lead a floating IP to the first address of a port, or nowhere."""
        with self._store.transaction() as db:
            now = self._now()
            neutron.get(db, "floating_ips", floating_ip_id, now)
            ip = None
            if port_id is not None:
                row = neutron.get(db, "ports", port_id, now)
                ip = ports.to_ports(db, [row])[0].fixed_ips[0].ip
            gateways.lead(db, floating_ip_id, port_id, ip)

    def delete_floating_ip(self, floating_ip_id: str) -> None:
        """Give back a floating IP of ours."""
        with self._store.transaction() as db:
            neutron.get(db, "floating_ips", floating_ip_id, self._now())
            gateways.give_back(db, floating_ip_id)

    # Ports

    def leave_port(self, server_id: str) -> str:
        """Have a port that outlives a server, as when its host died; return its id."""
        port_id = str(uuid.uuid4())
        with self._store.transaction() as db:
            ports.leave(db, server_id, port_id=port_id)
        return port_id

    def delete_port(self, port_id: str) -> None:
        """Delete a port, whoever has it: also the interface of a router."""
        with self._store.transaction() as db:
            neutron.get(db, "ports", port_id, self._now())
            ports.remove(db, port_id)

    # Security groups

    def add_rule(self, spec: RuleSpec) -> str:
        """Add a rule to a group and return its id."""
        with self._store.transaction() as db:
            now = self._now()
            neutron.get(db, "security_groups", spec.group_id, now)
            columns = rules.checked(spec)
            return neutron.insert(db, "security_group_rules", None, now, **columns)

    def delete_rule(self, rule_id: str) -> None:
        """Remove a rule from its group."""
        with self._store.transaction() as db:
            neutron.get(db, "security_group_rules", rule_id, self._now())
            neutron.delete(db, "security_group_rules", rule_id)

    def _update(self, table: str, id: str, **columns: object) -> None:
        changes = ", ".join(f"{column} = ?" for column in columns)
        with self._store.transaction() as db:
            neutron.get(db, table, id, self._now())
            db.execute(
                f"UPDATE {table} SET {changes} WHERE id = ?",  # noqa: S608  # our own words
                (*columns.values(), id),
            )
