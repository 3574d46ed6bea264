"""What the tests of the mock share."""

import pytest

from providers.mock import MockCloud
from tests.support.contract_networks import Networking


@pytest.fixture
def mine(mock: MockCloud) -> Networking:
    """Make things in a cloud that is thrown away afterwards."""
    return Networking(mock, lambda predicate: None)
