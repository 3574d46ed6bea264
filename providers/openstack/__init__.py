"""Any OpenStack that openstacksdk can reach."""

from providers.openstack.provider import OpenStackProvider

__all__ = ["OpenStackProvider"]
