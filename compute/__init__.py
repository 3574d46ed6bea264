"""The product: VMs and their lifecycle over one or more clouds."""
