"""The pass over a cloud's networks: what was changed outside, and what is left over."""

from compute.services.network_pass.listing import list_all
from compute.services.network_pass.passing import follow

__all__ = ["follow", "list_all"]
