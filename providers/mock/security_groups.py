"""The security groups of the mock cloud."""

from providers.contract.calls import Receipt
from providers.contract.security_groups import RuleSpec, SecurityGroup, SecurityGroups
from providers.mock.world import neutron, rules
from providers.mock.world.neutron import conflict
from providers.mock.world.topology import DEFAULT_GROUP
from providers.mock.world.world import World


class MockSecurityGroups(SecurityGroups):
    def __init__(self, world: World) -> None:
        self._world = world

    def list_all(self) -> list[SecurityGroup]:
        with self._world.call("security_groups.list_all"):
            return self._read("1")

    def get(self, group_id: str) -> SecurityGroup:
        subject = self._world.describe("security_groups", group_id)
        with self._world.call("security_groups.get", subject=subject):
            found = self._read("id = ?", group_id)
            if not found:
                raise neutron.missing("security_groups", group_id)
            return found[0]

    def find(self, *, marker: str) -> list[SecurityGroup]:
        with self._world.call("security_groups.find", subject=marker):
            return self._read("marker = ?", marker)

    def _read(self, where: str, *values: object) -> list[SecurityGroup]:
        db, now = self._world.store.connection(), self._world.now()
        found = neutron.rows(db, "security_groups", now, where, *values)
        return rules.to_groups(db, found, now)

    def create(self, name: str, *, marker: str, request_id: str) -> Receipt:
        subject = f"{name} {marker}"
        with self._world.call("security_groups.create", subject=subject) as call:
            neutron.check_texts(name, marker)
            if name.lower() == "default":
                raise conflict(
                    "SecurityGroupDefaultAlreadyExists",
                    "Default security group already exists.",
                )
            with self._world.store.transaction() as db:
                now = self._world.now()
                neutron.check_quota(db, "security_groups")
                neutron.check_quota(db, "security_group_rules", adding=2)
                group_id = neutron.insert(
                    db, "security_groups", call, now, name=name, marker=marker
                )
                for version in (4, 6):
                    neutron.insert(
                        db,
                        "security_group_rules",
                        call,
                        now,
                        group_id=group_id,
                        direction="egress",
                        ip_version=version,
                    )
            return Receipt(request_id=call.request_id, created_id=group_id)

    def delete(self, group_id: str, *, request_id: str) -> Receipt:
        subject = self._world.describe("security_groups", group_id)
        with self._world.call("security_groups.delete", subject=subject) as call:
            with self._world.store.transaction() as db:
                neutron.get(db, "security_groups", group_id, self._world.now())
                if rules.ports_with(db, group_id):
                    raise conflict(
                        "SecurityGroupInUse", f"Security Group {group_id} in use."
                    )
                if group_id == DEFAULT_GROUP:
                    raise conflict(
                        "SecurityGroupCannotRemoveDefault",
                        "Insufficient rights for removing default security group.",
                    )
                rules.remove_group(db, group_id)
            return Receipt(request_id=call.request_id)

    def create_rule(self, spec: RuleSpec, *, request_id: str) -> Receipt:
        subject = self._world.describe(
            "security_groups", spec.group_id, spec.marker, spec.remote_group_id
        )
        with self._world.call("security_groups.create_rule", subject=subject) as call:
            neutron.check_texts("", spec.marker)
            columns = rules.checked(spec)
            with self._world.store.transaction() as db:
                now = self._world.now()
                neutron.check_quota(db, "security_group_rules")
                neutron.get(db, "security_groups", spec.group_id, now)
                if spec.remote_group_id is not None:
                    neutron.get(db, "security_groups", spec.remote_group_id, now)
                rules.check_new(db, columns)
                rule_id = neutron.insert(
                    db, "security_group_rules", call, now, **columns
                )
            return Receipt(request_id=call.request_id, created_id=rule_id)

    def delete_rule(self, rule_id: str, *, request_id: str) -> Receipt:
        subject = self._world.describe("security_group_rules", rule_id)
        with self._world.call("security_groups.delete_rule", subject=subject) as call:
            with self._world.store.transaction() as db:
                neutron.get(db, "security_group_rules", rule_id, self._world.now())
                neutron.delete(db, "security_group_rules", rule_id)
            return Receipt(request_id=call.request_id)
