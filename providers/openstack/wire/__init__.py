"""Requests to an OpenStack, and what its answers mean."""
