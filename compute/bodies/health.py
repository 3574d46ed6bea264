"""How the service is."""

from compute.bodies.body import NUMBER, TEXT, TIME, Body, Each, Field
from compute.bodies.examples import LATER

_STATUS = Field("status", TEXT, "ok", about="Always ok.")

HEALTH_BODY = Body("Health", "", _STATUS)

CLOUD_HEALTH_BODY = Body(
    "CloudHealth",
    "",
    Field("observed_at", TIME, LATER, null=True),
    Field("failures", NUMBER, 0),
)

READY_BODY = Body(
    "Ready",
    "",
    _STATUS,
    Field("checks", Each(TEXT), {"database": "ok", "broker": "ok", "disk": "ok"}),
    Field(
        "clouds",
        Each(CLOUD_HEALTH_BODY),
        {"default": CLOUD_HEALTH_BODY.example},
        about="By alias. For operators who may view clouds.",
        required=False,
    ),
)
