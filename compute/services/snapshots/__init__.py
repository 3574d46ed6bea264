"""Snapshots: what can be asked of them. How it is done, and how it ends, is beside."""

from compute.services.snapshots.requests import EDITABLE, create, delete, update

__all__ = ["EDITABLE", "create", "delete", "update"]
