"""What the examples of several nouns have in common."""

VM_ID = "8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11"
OPERATION_ID = "41aa0c9d-6f0c-4c1e-9d0a-3a3f1d1b2c11"
PROJECT_ID = "b1c05a57-6f0c-4c1e-9d0a-3a3f1d1b2c11"
FLAVOR_ID = "2f0c4c1e-8f2d-4c1e-9d0a-3a3f1d1b2c11"
IMAGE_ID = "cce55a57-6f0c-4c1e-9d0a-3a3f1d1b2c11"
REQUEST_ID = "req-9a1b5c02-6f0c-4c1e-9d0a-3a3f1d1b2c11"
TOKEN_PREFIX = "osl_7Qm2vXw1"  # noqa: S105  # how a token begins
AT = "2026-11-23T10:00:00Z"
LATER = "2026-11-23T10:00:41Z"
KEYPAIR_ID = "6e1f5a57-6f0c-4c1e-9d0a-3a3f1d1b2c11"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOj8FrFMwishyCVnU6qtyjTpBXaxx2Q2MRrJgLE7fsfE alice"
