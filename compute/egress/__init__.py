"""Egress: calls to URLs that users name, and to no place that only this machine reaches.

A name is resolved once, each of its addresses is judged, and the connection goes to one
that was judged: asked again, the name might mean another. No redirect is followed, no
proxy is taken from the environment, and an answer ends at a deadline, however it comes.
"""

from compute.egress.calls import DEADLINE, Answer, post
from compute.egress.errors import Refused, Unreachable
from compute.egress.places import Resolve, is_permitted, permitted_addresses, resolve
from compute.egress.urls import Target, parse

__all__ = [
    "DEADLINE",
    "Answer",
    "Refused",
    "Resolve",
    "Target",
    "Unreachable",
    "is_permitted",
    "parse",
    "permitted_addresses",
    "post",
    "resolve",
]
