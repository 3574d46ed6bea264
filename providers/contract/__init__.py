"""The contract between the service and a cloud, one file per service of the cloud.

Every driver keeps it and passes ``tests/providers/contract``. Words are Nova's,
Glance's and Neutron's. Times are aware UTC datetimes. Every method may raise any
`providers.errors.ProviderError`; the docstrings name those with a meaning of their own.
A method makes its calls and returns; nothing here waits for a state.

``get`` returns one thing and ``list_all`` all of them, from every page of the listing.
They raise rather than return a part: absence from a list is a fact. ``request_id`` of
what changes something is ours (``req-<uuid4>``): the cloud logs it beside its own.
"""
