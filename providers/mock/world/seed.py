"""What the mock cloud offers when it is new."""

from providers.contract.flavors import Flavor
from providers.contract.images import Image

GIB = 1024**3
#: Ours.
PROJECT = "demo"

FLAVORS = (
    Flavor(id="1", name="m1.tiny", vcpus=1, ram_mb=512, disk_gb=5),
    Flavor(id="2", name="m1.small", vcpus=1, ram_mb=2048, disk_gb=20),
    Flavor(id="3", name="m1.medium", vcpus=2, ram_mb=4096, disk_gb=40),
    Flavor(id="4", name="m1.large", vcpus=4, ram_mb=8192, disk_gb=80),
    Flavor(id="5", name="m1.xlarge", vcpus=8, ram_mb=16384, disk_gb=160),
)

_PUBLIC = (
    # id, name, MB, least disk in GB, least memory in MB
    ("6f1f3b1e-0e5d-4a51-9d0c-2b8a6a1d2204", "ubuntu-22.04", 660, 4, 512),
    ("6f1f3b1e-0e5d-4a51-9d0c-2b8a6a1d2404", "ubuntu-24.04", 620, 4, 512),
    ("3c2a9a56-7c0b-4f0e-8f0f-5d9c1b7d0012", "debian-12", 430, 3, 256),
    ("9b7e4d10-51f2-4a8e-b6a4-0c6f4e3a0009", "rocky-9", 1010, 10, 1024),
    ("0d5b0c3e-2f68-4c4b-9a73-7e1d5f8a0061", "cirros", 21, 1, 64),
)

IMAGES = tuple(
    Image(
        id=image_id,
        name=name,
        status="active",
        visibility="public",
        size_bytes=megabytes * 1024**2,
        min_disk_gb=min_disk_gb,
        min_ram_mb=min_ram_mb,
    )
    for image_id, name, megabytes, min_disk_gb, min_ram_mb in _PUBLIC
)
