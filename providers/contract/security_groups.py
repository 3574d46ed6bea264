"""Security groups: what may reach a port, and what it may reach."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from providers.contract.calls import Receipt


@dataclass(frozen=True, slots=True)
class SecurityGroupRule:
    """One kind of traffic that a group lets pass."""

    id: str
    #: The ``marker`` it was created with; empty: it has none.
    marker: str
    #: ``ingress`` or ``egress``.
    direction: str
    #: 4 or 6.
    ip_version: int
    #: Neutron's name or number of it; ``None``: any.
    protocol: str | None
    #: Of ICMP the type, and the code; ``None`` both: all, as also of 1 to 65535.
    port_min: int | None
    port_max: int | None
    #: The other end; ``None`` both: anywhere.
    cidr: str | None
    group_id: str | None


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """Rules under a name."""

    id: str
    name: str
    #: The ``marker`` it was created with; empty: it has none.
    marker: str
    stateful: bool
    rules: tuple[SecurityGroupRule, ...]

    @property
    def is_default(self) -> bool:
        """Whether it is the one of ports that name none. Neutron keeps its name."""
        return self.name == "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSpec:
    """What a new rule shall let pass; the fields are those of `SecurityGroupRule`."""

    group_id: str
    marker: str
    direction: str
    ip_version: int
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    cidr: str | None = None
    remote_group_id: str | None = None


class SecurityGroups(ABC):
    """The security groups of our project.

    ``marker``: see `providers.contract.networks.Networks`.
    """

    @abstractmethod
    def list_all(self) -> list[SecurityGroup]:
        """Return every security group of our project, the default one included."""

    @abstractmethod
    def get(self, group_id: str) -> SecurityGroup:
        """Return one group. Raises `providers.errors.NotFound` when it is gone."""

    @abstractmethod
    def find(self, *, marker: str) -> list[SecurityGroup]:
        """Return the groups created with exactly this marker."""

    @abstractmethod
    def create(self, name: str, *, marker: str, request_id: str) -> Receipt:
        """Create a group with two rules, which let all traffic out.

        ``created_id`` is its id. Raises `providers.errors.Conflict` for the name
        "default" in any case of letters, `providers.errors.QuotaExceeded` also when
        the quota of rules has no room for these two.
        """

    @abstractmethod
    def delete(self, group_id: str, *, request_id: str) -> Receipt:
        """Delete a group; rules of others that name it go with it.

        Raises `providers.errors.NotFound` when it is gone already,
        `providers.errors.Conflict` while a port has it, and for the default group.
        """

    @abstractmethod
    def create_rule(self, spec: RuleSpec, *, request_id: str) -> Receipt:
        """Add a rule to a group; ``created_id`` is its id.

        Raises `providers.errors.Conflict` with code ``SecurityGroupRuleExists`` when
        the group has an equal one, `providers.errors.NotFound` for an unknown group,
        `providers.errors.InvalidRequest`, `providers.errors.QuotaExceeded`.
        """

    @abstractmethod
    def delete_rule(self, rule_id: str, *, request_id: str) -> Receipt:
        """Remove a rule.

        Raises `providers.errors.NotFound` when it is gone already.
        """
