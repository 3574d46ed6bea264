"""What the errors of clouds are for a user."""

import math
from collections.abc import Mapping

from compute.errors import (
    AddressPoolExhausted,
    AddressTaken,
    ConcurrentUpdate,
    NoExternalRoute,
    OpenStackError,
    OpenStackRefused,
    OpenStackTimeout,
    OpenStackUnavailable,
    Problem,
    ResourceInUse,
    ResourceLimitExceeded,
    RuleExists,
)
from providers import errors

#: Neutron's own names of refusals -> what they are for a user.
_BY_CODE: Mapping[str, type[Problem]] = {
    "IpAddressGenerationFailure": AddressPoolExhausted,
    "IpAddressAlreadyAllocated": AddressTaken,
    "FloatingIPPortAlreadyAssociated": AddressTaken,
    "ExternalGatewayForFloatingIPNotFound": NoExternalRoute,
    "SecurityGroupRuleExists": RuleExists,
    **dict.fromkeys(
        (
            "NetworkInUse",
            "SubnetInUse",
            "RouterInUse",
            "SecurityGroupInUse",
            "PortInUse",
            "GatewayIpInUse",
            "RouterInterfaceInUseByFloatingIP",
            "RouterExternalGatewayInUseByFloatingIp",
        ),
        ResourceInUse,
    ),
    "RevisionNumberConstraintFailed": ConcurrentUpdate,
}


def from_provider(error: errors.ProviderError) -> Problem:
    """Return the problem that a cloud's error is for a user."""
    kind: type[Problem] = OpenStackError
    detail = str(error)
    match error:
        case _ if error.code in _BY_CODE:
            kind = _BY_CODE[error.code]
        case errors.Timeout():
            kind, detail = OpenStackTimeout, f"The cloud did not answer: {error}"
        case errors.QuotaExceeded():
            kind = ResourceLimitExceeded
        case errors.InvalidRequest():
            kind = OpenStackRefused
        case errors.Unavailable():
            kind = OpenStackUnavailable
    problem = kind(
        detail,
        openstack={
            "service": error.service,
            "status": error.status,
            "message": error.message,
            "request_id": error.request_id,
        },
    )
    if problem.retryable and error.retry_after:
        problem.retry_after = math.ceil(error.retry_after)
    return problem
