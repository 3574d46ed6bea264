"""Any OpenStack that openstacksdk can reach."""

from providers.openstack.cloud import OpenStackCloud

__all__ = ["OpenStackCloud"]
