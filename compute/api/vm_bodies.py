"""What a VM looks like, and the bodies its writes take."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from compute.api.http.fields import (
    Body,
    Flag,
    Id,
    Labels,
    Line,
    Lines,
    Name,
    Word,
)
from compute.api.http.problems import stored_document
from compute.models import VM, Cloud, VMStatus
from compute.models.cloud import confirmed_at
from compute.models.lifecycle import takes_only_delete
from compute.models.limits import MAX_DESCRIPTION, MAX_USER_DATA, MAX_USER_DATA_TEXT
from compute.models.vm import UserDataEncoding, allowed_actions
from compute.services import vms

# What a VM looks like


class CloudTimes(dict[str, datetime | None]):
    """Cloud alias -> when it was last observed; read when first asked."""

    _is_read = False

    def read(self) -> None:
        self.update(Cloud.objects.values_list("alias", "observed_at"))
        self._is_read = True

    def __missing__(self, alias: str) -> datetime | None:
        if not self._is_read:
            self.read()
        return self.setdefault(alias, None)


class AddressSerializer(serializers.Serializer[Any]):
    ip = serializers.IPAddressField()
    version = serializers.IntegerField()
    network = serializers.CharField()
    type = serializers.CharField(allow_null=True)
    mac = serializers.CharField(allow_null=True)


class VMSerializer(serializers.Serializer[VM]):
    """A virtual machine."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    description = serializers.CharField()
    project = serializers.UUIDField()
    cloud = serializers.CharField(help_text="Alias of the cloud it lives in.")
    status = serializers.ChoiceField(choices=VMStatus.choices)
    flavor = serializers.CharField(help_text="As it was sent.")
    flavor_id = serializers.UUIDField(allow_null=True)
    vcpus = serializers.IntegerField()
    ram_mb = serializers.IntegerField()
    disk_gb = serializers.IntegerField()
    image = serializers.CharField(help_text="As it was sent.")
    image_id = serializers.UUIDField(allow_null=True)
    labels = Labels()
    addresses = AddressSerializer(many=True)
    delete_protection = serializers.BooleanField()
    allowed_actions = serializers.ListField(
        child=serializers.CharField(), help_text="What would not be refused now."
    )
    operation_id = serializers.UUIDField(
        allow_null=True, help_text="Its newest operation."
    )
    error = serializers.SerializerMethodField(
        help_text="The problem it suffers from, or null."
    )
    version = serializers.IntegerField(help_text="The ETag.")
    observed_at = serializers.DateTimeField(
        allow_null=True, help_text="When the cloud last confirmed it."
    )
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    deleted_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(
        {"oneOf": [{"$ref": "#/components/schemas/Problem"}, {"type": "null"}]}
    )
    def get_error(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        return stored_document(row["error"], self.context["request"])

    def to_representation(self, vm: Any) -> dict[str, Any]:
        """Take a VM, or a row of `COLUMNS`."""
        # By hand: a list of 100 takes a tenth of the time the fields would need.
        row: Mapping[str, Any] = _row(vm) if isinstance(vm, VM) else vm
        return {
            "id": row["id"],
            "name": row["name"],
            "description": row["description"],
            "project": row["project_id"],
            "cloud": row["cloud"],
            "status": row["status"],
            "flavor": row["flavor_name"],
            "flavor_id": row["flavor_id"],
            "vcpus": row["vcpus"],
            "ram_mb": row["ram_mb"],
            "disk_gb": row["disk_gb"],
            "image": row["image_name"],
            "image_id": row["image_id"],
            "labels": row["labels"],
            "addresses": row["addresses"],
            "delete_protection": row["delete_protection"],
            "allowed_actions": allowed_actions(
                row["status"],
                protected=row["delete_protection"],
                only_delete=takes_only_delete(
                    row["status"],
                    server_id=row["server_id"],
                    observed_status=row["observed_status"],
                    never_launched=row["never_launched"],
                ),
                operation_status=row["operation__status"],
            ),
            "operation_id": row["operation_id"],
            "error": self.get_error(row),
            "version": row["version"],
            "observed_at": self._observed_at(row),
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
            "deleted_at": row["deleted_at"],
        }

    def _observed_at(self, row: Mapping[str, Any]) -> datetime | None:
        if not row["server_id"]:
            return None
        return confirmed_at(
            row["observed_at"], self.context["cloud_times"][row["cloud"]]
        )


#: What `VMSerializer` reads: all but the user data, which is large and never shown.
COLUMNS = (
    *("id", "name", "description", "project_id", "cloud", "status", "labels"),
    *("flavor_name", "flavor_id", "image_name", "image_id"),
    *("vcpus", "ram_mb", "disk_gb", "addresses", "delete_protection"),
    *("operation_id", "error", "version"),
    *("server_id", "observed_status", "observed_at", "never_launched"),
    *("created_at", "updated_at", "deleted_at", "operation__status"),
)


def _row(vm: VM) -> Mapping[str, Any]:
    return {
        name: getattr(vm, name) for name in COLUMNS if name != "operation__status"
    } | {"operation__status": vm.operation and vm.operation.status}


class ConsoleLogSerializer(serializers.Serializer[Any]):
    """What a server printed."""

    output = serializers.CharField()


# What can be sent


class VMCreate(Body):
    name = Name()
    flavor = Line(help_text="Name or id; see /flavors.")
    image = Line(help_text="Name or id; see /images.")
    project = Id(
        required=False,
        help_text="If not given, the API token's, or the default project if you may.",
    )
    cloud = Line(required=False, help_text="Alias; the default cloud if not given.")
    description = Lines(required=False, max_length=MAX_DESCRIPTION)
    labels = Labels(required=False)
    delete_protection = Flag(required=False)
    user_data = Lines(
        required=False,
        max_length=MAX_USER_DATA_TEXT,
        style={"base_template": "textarea.html", "rows": 4},
        help_text=f"For cloud-init; never shown again. At most {MAX_USER_DATA} bytes"
        " (Nova takes 64 KiB of Base64).",
    )
    user_data_encoding = Word(
        choices=UserDataEncoding.choices,
        default=UserDataEncoding.PLAIN.value,
        help_text="base64: whatever cloud-init reads, gzip and MIME multi-part too.",
    )


class VMUpdate(Body):
    """Fields that are left out stay; `labels` are replaced as a whole."""

    name = Name(required=False)
    description = Lines(required=False, max_length=MAX_DESCRIPTION)
    labels = Labels(required=False)
    delete_protection = Flag(required=False)


class Reboot(Body):
    type = Word(
        choices=vms.RebootType.choices,
        default=vms.RebootType.SOFT.value,
        help_text="HARD cuts the power.",
    )


class Resize(Body):
    flavor = Line(
        help_text="Name or id of the new flavor.", style={"placeholder": "flavor"}
    )


class Rebuild(Body):
    image = Line(
        help_text="Name or id of the image to start over from.",
        style={"placeholder": "image"},
    )


class Restore(Body):
    snapshot = Line(
        help_text="Id or name of a snapshot of this VM.",
        style={"placeholder": "snapshot"},
    )
