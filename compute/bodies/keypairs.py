"""A keypair."""

from compute.bodies.body import ID, LABELS, NUMBER, TEXT, TIME, Body, Field
from compute.bodies.examples import AT, KEYPAIR_ID, PROJECT_ID, PUBLIC_KEY

KEYPAIR_BODY = Body(
    "Keypair",
    "A public SSH key for logging in to new VMs.",
    Field("id", ID, KEYPAIR_ID),
    Field("name", TEXT, "alice"),
    Field("project", ID, PROJECT_ID, at="project_id"),
    Field("type", TEXT, "ssh-ed25519", about="As OpenSSH writes it."),
    Field(
        "fingerprint",
        TEXT,
        "SHA256:2E2sL5+RZ83QcoObcDoduYq6QpsFHJ7IMGdWVdYX6PI",
        about="As `ssh-keygen -l` prints it.",
    ),
    Field("public_key", TEXT, PUBLIC_KEY),
    Field(
        "private_key",
        TEXT,
        None,
        at=(),
        made=lambda reader: None,
        null=True,
        about="Of a generated pair: only in the answer that created it.",
    ),
    Field("labels", LABELS, {}),
    Field("version", NUMBER, 1, about="The ETag."),
    Field("created_at", TIME, AT),
)
