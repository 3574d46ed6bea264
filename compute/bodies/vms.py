"""A VM, and what its server printed."""

from datetime import datetime
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    DateTimeField,
    F,
    OuterRef,
    Subquery,
    When,
)
from django.db.models.functions import Coalesce, Greatest

from compute.bodies.body import (
    FLAG,
    ID,
    LABELS,
    NUMBER,
    PROBLEM,
    TEXT,
    TIME,
    Body,
    Field,
    Many,
    one_of,
)
from compute.bodies.examples import (
    AT,
    FLAVOR_ID,
    GROUP_ID,
    IMAGE_ID,
    KEYPAIR_ID,
    LATER,
    NETWORK_ID,
    OPERATION_ID,
    PORT_ID,
    PROJECT_ID,
    VM_ID,
)
from compute.bodies.reader import Reader, null_if_empty, or_null, problem
from compute.models import CloudService, VMStatus
from compute.models.cloud import COMPUTE, confirmed_at
from compute.models.lifecycle import takes_only_delete
from compute.models.vm import allowed_actions


def _allowed_actions(
    reader: Reader,
    status: VMStatus,
    protected: bool,
    has_server: bool,
    observed_status: str,
    never_launched: bool,
    operation_status: str | None,
) -> tuple[str, ...]:
    only_delete = takes_only_delete(
        status,
        has_server=has_server,
        observed_status=observed_status,
        never_launched=never_launched,
    )
    return allowed_actions(
        status,
        protected=protected,
        only_delete=only_delete,
        operation_status=operation_status,
    )


def _observed_at(
    reader: Reader, server_id: str, observed_at: datetime | None, cloud: str
) -> datetime | None:
    return confirmed_at(observed_at, reader.clouds[cloud]) if server_id else None


def _later(one: Any, other: Any) -> Greatest:
    """Return the later of two times, of which either may be null."""
    return Greatest(Coalesce(one, other), Coalesce(other, one))


#: The same, for the database.
_OBSERVED_AT = Case(
    When(server_id="", then=None),
    default=Coalesce(
        Subquery(
            CloudService.objects.filter(service=COMPUTE, cloud_id=OuterRef("cloud"))
            .order_by()
            .values_list(_later(F("observed_at"), OuterRef("observed_at")))[:1]
        ),
        F("observed_at"),
    ),
    output_field=DateTimeField(),
)

ADDRESS_BODY = Body(
    "Address",
    "",
    Field("ip", TEXT, "10.10.0.12"),
    Field("version", NUMBER, 4),
    Field("network", TEXT, "private"),
    Field("type", TEXT, "fixed", null=True),
    Field("mac", TEXT, "fa:16:3e:00:00:02", null=True),
)

PLACE_ADDRESS_BODY = Body(
    "PortAddress",
    "",
    Field("ip", TEXT, "10.1.0.12"),
    Field("type", TEXT, "fixed", about="fixed or floating."),
)

PLACE_BODY = Body(
    "VMNetwork",
    "A port of a VM on a network.",
    Field("network", ID, NETWORK_ID, null=True, about="null: it is not known here."),
    Field("port", ID, PORT_ID),
    Field("mac", TEXT, "fa:16:3e:00:00:02", null=True),
    Field("addresses", Many(PLACE_ADDRESS_BODY), [PLACE_ADDRESS_BODY.example]),
    Field("security_groups", Many(ID), [GROUP_ID]),
)

# All but the user data, which is large and never shown.
VM_BODY = Body(
    "VM",
    "A virtual machine.",
    Field("id", ID, VM_ID),
    Field("name", TEXT, "web-1"),
    Field("description", TEXT, ""),
    Field("project", ID, PROJECT_ID, at="project_id"),
    Field("cloud", TEXT, "default", about="Alias of the cloud it lives in."),
    Field("status", one_of(VMStatus), "ACTIVE"),
    Field("flavor", TEXT, "m1.small", at="flavor_name", about="As it was sent."),
    Field("flavor_id", ID, FLAVOR_ID, null=True),
    Field("vcpus", NUMBER, 1),
    Field("ram_mb", NUMBER, 2048),
    Field("disk_gb", NUMBER, 20),
    Field("image", TEXT, "ubuntu-22.04", at="image_name", about="As it was sent."),
    Field("image_id", ID, IMAGE_ID, null=True),
    Field(
        "keypair",
        TEXT,
        "alice",
        at="keypair_name",
        made=or_null,
        sql=null_if_empty("keypair_name"),
        null=True,
        about="As it was sent.",
    ),
    Field("keypair_id", ID, KEYPAIR_ID, null=True),
    Field("labels", LABELS, {"env": "prod"}),
    Field("addresses", Many(ADDRESS_BODY), [ADDRESS_BODY.example]),
    Field("networks", Many(PLACE_BODY), [PLACE_BODY.example]),
    Field("security_groups", Many(ID), [GROUP_ID], about="Those of all its ports."),
    Field("delete_protection", FLAG, False),
    Field(
        "allowed_actions",
        Many(TEXT),
        ["stop", "reboot", "resize", "snapshot", "delete"],
        at=(
            "status",
            "delete_protection",
            "has_server",
            "observed_status",
            "never_launched",
            "operation__status",
        ),
        computed={
            "has_server": Case(
                When(server_id="", then=False),
                default=True,
                output_field=BooleanField(),
            )
        },
        made=_allowed_actions,
        few=True,
        about="The actions that are allowed now.",
    ),
    Field("operation_id", ID, OPERATION_ID, null=True, about="Its newest operation."),
    Field(
        "error",
        PROBLEM,
        None,
        made=problem,
        null=True,
        about="The problem that affects it, or null.",
    ),
    Field("version", NUMBER, 4, about="The ETag."),
    Field(
        "observed_at",
        TIME,
        LATER,
        at=("server_id", "observed_at", "cloud"),
        made=_observed_at,
        sql=_OBSERVED_AT,
        null=True,
        about="When the cloud last confirmed it.",
    ),
    Field("created_at", TIME, AT),
    Field("updated_at", TIME, LATER),
    Field("deleted_at", TIME, None, null=True),
)

REMOTE_CONSOLE_BODY = Body(
    "RemoteConsole",
    "A way to the screen and the keyboard of a server.",
    Field("type", TEXT, "novnc", about="The cloud's word for its kind."),
    Field(
        "url",
        TEXT,
        "https://console.example.org/vnc_auto.html?path=%3Ftoken%3D8d2e",
        about="Lets in whoever has it, for as long as the cloud says: some minutes.",
    ),
)

CONSOLE_LOG_BODY = Body(
    "ConsoleLog",
    "The console output of a server.",
    Field("output", TEXT, "web-1 login: "),
)
