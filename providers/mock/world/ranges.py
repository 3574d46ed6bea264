"""The arithmetic of subnets: CIDRs, gateways, pools, and what Neutron refuses of them."""

import ipaddress
from collections.abc import Sequence
from itertools import pairwise

from providers.contract.subnets import DEFAULT_GATEWAY
from providers.mock.world.neutron import conflict, invalid

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Pools = list[tuple[str, str]]


def network_of(cidr: str, *, dhcp: bool) -> IPNetwork:
    """Return the network of a CIDR, without host bits; `InvalidRequest` for a bad one."""
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        raise invalid(
            "InvalidInput",
            f"Invalid input for cidr. Reason: '{cidr}' is not a valid IP subnet.",
        ) from None
    reason = ""
    if network.prefixlen == 0:
        reason = "0 is not allowed as CIDR prefix length"
    elif dhcp and network.is_multicast:
        reason = "Multicast IP subnet is not supported if enable_dhcp is True."
    elif dhcp and network.is_loopback:
        reason = "Loopback IP subnet is not supported if enable_dhcp is True."
    elif dhcp and network.max_prefixlen - network.prefixlen < 2:
        reason = (
            "Subnet has a prefix length that is incompatible with DHCP service enabled"
        )
    if reason:
        raise invalid("InvalidInput", f"Invalid input for operation: {reason}.")
    return network


def gateway_of(gateway_ip: str | None, network: IPNetwork) -> str | None:
    """Return the gateway of a subnet for which ``gateway_ip`` is asked."""
    if gateway_ip == DEFAULT_GATEWAY:
        # Of IPv6 the anycast address of its routers.
        small = network.num_addresses == 1
        return str(network[0 if network.version == 6 or small else 1])
    return None if gateway_ip is None else _valid_gateway(gateway_ip, network)


def _valid_gateway(gateway_ip: str, network: IPNetwork) -> str:
    """Return a gateway as Neutron writes it. It may be outside of the subnet."""
    try:
        address = ipaddress.ip_address(gateway_ip)
    except ValueError:
        raise invalid(
            "HTTPBadRequest",
            f"Invalid input for gateway_ip. Reason: '{gateway_ip}' is not a valid IP"
            " address.",
        ) from None
    ends = (network[0], network[-1]) if network.prefixlen < 31 else ()
    if address.version != network.version or (network.version == 4 and address in ends):
        raise invalid(
            "InvalidInput",
            "Invalid input for operation: Gateway is not valid on subnet.",
        )
    return str(address)


def default_pools(network: IPNetwork, gateway_ip: str | None) -> Pools:
    """Return all addresses that ports can have, without the gateway's."""
    first, last = int(network[0]), int(network[-1])
    if network.max_prefixlen - network.prefixlen > 1:
        first += 1  # the network's own, and the anycast address of IPv6's routers
        last -= network.version == 4
    ranges = [(first, last)]
    if gateway_ip is not None:
        gateway = int(ipaddress.ip_address(gateway_ip))
        if first <= gateway <= last:
            ranges = [(first, gateway - 1), (gateway + 1, last)]
    address = type(network[0])
    return [
        (str(address(begin)), str(address(end)))
        for begin, end in ranges
        if begin <= end
    ]


def unusable(network: IPNetwork) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Return the addresses of a subnet that no port can have."""
    if network.max_prefixlen - network.prefixlen < 2:
        return set()
    return {network[0], network[-1]} if network.version == 4 else {network[0]}


def pools_of(
    asked: Sequence[tuple[str, str]], network: IPNetwork, gateway_ip: str | None
) -> Pools:
    """Return the pools of a subnet; raises what Neutron refuses of them."""
    if not asked:
        return default_pools(network, gateway_ip)
    pools: Pools = []
    for first, last in asked:
        pool = f"{first}-{last}"
        try:
            begin, end = ipaddress.ip_address(first), ipaddress.ip_address(last)
        except ValueError:
            raise invalid(
                "HTTPBadRequest", "Invalid input for allocation_pools."
            ) from None
        if begin.version != end.version or int(begin) > int(end):
            raise invalid(
                "InvalidAllocationPool", f"The allocation pool {pool} is not valid."
            )
        usable = default_pools(network, None)[0]
        if not all(is_between(ip, *usable) for ip in (first, last)):
            raise invalid(
                "OutOfBoundsAllocationPool",
                f"The allocation pool {pool} spans beyond the subnet cidr {network}.",
            )
        pools.append((str(begin), str(end)))
    _check_apart(pools, network)
    check_gateway_outside(gateway_ip, pools)
    return pools


def _check_apart(pools: Pools, network: IPNetwork) -> None:
    spans = sorted(
        (int(ipaddress.ip_address(first)), int(ipaddress.ip_address(last)))
        for first, last in pools
    )
    for (_, end), (begin, _) in pairwise(spans):
        if begin <= end:
            raise conflict(
                "OverlappingAllocationPools",
                f"Found overlapping allocation pools for subnet {network}.",
            )


def check_gateway_outside(gateway_ip: str | None, pools: Pools) -> None:
    """Raise `Conflict` for a gateway inside a pool."""
    for first, last in pools:
        if gateway_ip is not None and is_between(gateway_ip, first, last):
            raise conflict(
                "GatewayConflictWithAllocationPools",
                f"Gateway ip {gateway_ip} conflicts with allocation pool"
                f" {first}-{last}.",
            )


def overlap(one: str, other: str) -> bool:
    """Tell whether two CIDRs have an address in common."""
    first, second = ipaddress.ip_network(one), ipaddress.ip_network(other)
    return first.version == second.version and (
        first[0] in second or second[0] in first
    )


def is_between(ip: str, first: str, last: str) -> bool:
    """Tell whether an address is in a pool."""
    address, begin, end = map(ipaddress.ip_address, (ip, first, last))
    return address.version == begin.version and int(begin) <= int(address) <= int(end)


def slaac_address(cidr: str, mac: str) -> str:
    """Return the address that a network card gives itself: EUI-64."""
    octets = bytes.fromhex(mac.replace(":", ""))
    interface = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(ipaddress.ip_network(cidr)[int.from_bytes(interface)])
