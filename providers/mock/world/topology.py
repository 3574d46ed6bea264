"""The networks that the mock cloud has when it is new, and the tables for all of them."""

import ipaddress
import json
import sqlite3
import uuid

from providers.mock.world.seed import PROJECT


def _id(thing: str) -> str:
    return str(uuid.uuid5(uuid.UUID("5f1d6c0e-7a2b-4e55-9c39-0a64d2c7b810"), thing))


#: External; an operator's.
PUBLIC = _id("network public")
PUBLIC_SUBNET = _id("subnet public")
#: The one that servers get which name no port.
PRIVATE = _id("network private")
PRIVATE_SUBNET = _id("subnet private")
ROUTER = _id("router")
DEFAULT_GROUP = _id("security group default")
#: Who owns what is no project's of ours.
OPERATOR = "admin"
ROUTER_INTERFACE = "network:router_interface"
ROUTER_GATEWAY = "network:router_gateway"
FLOATING_IP = "network:floatingip"
SERVER = "compute:nova"

# CIDR, gateway, last address of the pool
_PUBLIC_RANGE = ("198.18.0.0/20", "198.18.0.1", "198.18.15.254")
_PRIVATE_RANGE = ("10.10.0.0/18", "10.10.0.1", "10.10.63.254")
_ROUTER_IP = "198.18.0.2"

_COMMON = """
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    marker TEXT NOT NULL,
    visible_at INTEGER NOT NULL DEFAULT 0,
"""

TABLES = f"""
CREATE TABLE networks ({_COMMON}
    shared INTEGER NOT NULL DEFAULT 0,
    external INTEGER NOT NULL DEFAULT 0,
    is_default INTEGER NOT NULL DEFAULT 0,
    mtu INTEGER NOT NULL DEFAULT 1450,
    exhausted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX networks_by_marker ON networks (marker);
CREATE TABLE subnets ({_COMMON}
    network_id TEXT NOT NULL,
    cidr TEXT NOT NULL,
    ip_version INTEGER NOT NULL,
    gateway_ip TEXT,
    dns_nameservers TEXT NOT NULL,
    dhcp INTEGER NOT NULL,
    allocation_pools TEXT NOT NULL,
    next_offset TEXT NOT NULL DEFAULT '0'   -- into the pools; too long for INTEGER
);
CREATE INDEX subnets_by_marker ON subnets (marker);
CREATE INDEX subnets_by_network ON subnets (network_id);
CREATE TABLE routers ({_COMMON}
    external_network_id TEXT,
    external_ip TEXT
);
CREATE INDEX routers_by_marker ON routers (marker);
CREATE TABLE ports ({_COMMON}
    network_id TEXT NOT NULL,
    mac TEXT NOT NULL UNIQUE,
    security_group_ids TEXT NOT NULL,
    device_id TEXT NOT NULL DEFAULT '',
    device_owner TEXT NOT NULL DEFAULT '',
    card INTEGER NOT NULL DEFAULT 0,        -- its place among those of its server
    at_end TEXT NOT NULL DEFAULT 'free',    -- of its server: free, go, or stay as it is
    detached_at INTEGER,
    server_gone_at INTEGER
);
CREATE INDEX ports_by_marker ON ports (marker);
CREATE INDEX ports_by_device ON ports (device_id);
CREATE INDEX ports_by_network ON ports (network_id);
CREATE INDEX ports_by_detach ON ports (detached_at);
CREATE INDEX ports_by_server_end ON ports (server_gone_at);
CREATE TABLE fixed_ips (
    subnet_id TEXT NOT NULL, ip TEXT NOT NULL, port_id TEXT NOT NULL,
    PRIMARY KEY (subnet_id, ip)
) WITHOUT ROWID;
CREATE INDEX fixed_ips_by_port ON fixed_ips (port_id);
CREATE TABLE floating_ips ({_COMMON}
    network_id TEXT NOT NULL,
    address TEXT NOT NULL,
    port_id TEXT,
    fixed_ip TEXT
);
CREATE INDEX floating_ips_by_marker ON floating_ips (marker);
CREATE INDEX floating_ips_by_port ON floating_ips (port_id);
CREATE TABLE security_groups ({_COMMON}
    stateful INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX security_groups_by_marker ON security_groups (marker);
CREATE TABLE security_group_rules ({_COMMON}
    group_id TEXT NOT NULL,
    direction TEXT NOT NULL,
    ip_version INTEGER NOT NULL,
    protocol TEXT,
    port_min INTEGER,
    port_max INTEGER,
    cidr TEXT,
    remote_group_id TEXT
);
CREATE INDEX rules_by_group ON security_group_rules (group_id);
CREATE INDEX rules_by_remote_group ON security_group_rules (remote_group_id);
CREATE TABLE neutron_quotas (resource TEXT PRIMARY KEY, most INTEGER NOT NULL)
"""


def create(db: sqlite3.Connection) -> None:
    """Make the tables, and what an operator and Neutron made in a new cloud."""
    for statement in TABLES.split(";\n"):
        db.execute(statement)
    # shared is False of both, as in a cloud of DevStack.
    db.executemany(
        "INSERT INTO networks (id, project, name, marker, external, is_default)"
        " VALUES (?, ?, ?, '', ?, ?)",
        [(PUBLIC, OPERATOR, "public", 1, 0), (PRIVATE, PROJECT, "private", 0, 1)],
    )
    for subnet_id, project, network_id, name, cidr, gateway_ip, last in (
        (PUBLIC_SUBNET, OPERATOR, PUBLIC, "public-subnet", *_PUBLIC_RANGE),
        (PRIVATE_SUBNET, PROJECT, PRIVATE, "private-subnet", *_PRIVATE_RANGE),
    ):
        first = ipaddress.ip_address(gateway_ip) + 1
        db.execute(
            "INSERT INTO subnets (id, project, network_id, name, cidr, gateway_ip,"
            " allocation_pools, marker, ip_version, dns_nameservers, dhcp)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, '', 4, '[]', 1)",
            (
                *(subnet_id, project, network_id, name, cidr, gateway_ip),
                json.dumps([(str(first), last)]),
            ),
        )
    _create_router(db)
    db.execute(
        "INSERT INTO security_groups (id, project, name, marker)"
        " VALUES (?, ?, 'default', '')",
        (DEFAULT_GROUP, PROJECT),
    )
    for direction, remote_group_id in (("egress", None), ("ingress", DEFAULT_GROUP)):
        for version in (4, 6):
            rule_id = _id(f"rule {direction} {version}")
            db.execute(
                "INSERT INTO security_group_rules (id, project, group_id, direction,"
                " ip_version, remote_group_id, name, marker)"
                " VALUES (?, ?, ?, ?, ?, ?, '', '')",
                (rule_id, PROJECT, DEFAULT_GROUP, direction, version, remote_group_id),
            )


def _create_router(db: sqlite3.Connection) -> None:
    db.execute(
        "INSERT INTO routers (id, project, name, marker, external_network_id,"
        " external_ip) VALUES (?, ?, 'router1', '', ?, ?)",
        (ROUTER, PROJECT, PUBLIC, _ROUTER_IP),
    )
    gateway, interface = _id("port gateway"), _id("port router")
    for port_id, project, network_id, mac, owner in (
        (gateway, OPERATOR, PUBLIC, "fa:16:3e:ff:ff:01", ROUTER_GATEWAY),
        (interface, PROJECT, PRIVATE, "fa:16:3e:ff:ff:02", ROUTER_INTERFACE),
    ):
        db.execute(
            "INSERT INTO ports (id, project, network_id, mac, device_id, device_owner,"
            " name, marker, security_group_ids) VALUES (?, ?, ?, ?, ?, ?, '', '', '[]')",
            (port_id, project, network_id, mac, ROUTER, owner),
        )
    db.executemany(
        "INSERT INTO fixed_ips (subnet_id, ip, port_id) VALUES (?, ?, ?)",
        [
            (PUBLIC_SUBNET, _ROUTER_IP, gateway),
            (PRIVATE_SUBNET, _PRIVATE_RANGE[1], interface),
        ],
    )
