"""What Nova refuses about a request before it looks at any server."""

import base64
import unicodedata

from providers.contract.flavors import Flavor
from providers.contract.images import Image
from providers.contract.servers import ServerSpec
from providers.errors import InvalidRequest

_NAME_LIMIT = 255
_TAG_LIMIT = 60
_USER_DATA_LIMIT = 65535


def check_spec(spec: ServerSpec) -> None:
    """Raise `InvalidRequest` for values that Nova's schema does not take."""
    check_name(spec.name)
    if not 1 <= len(spec.tag) <= _TAG_LIMIT or "/" in spec.tag or "," in spec.tag:
        raise _invalid("tags", spec.tag)
    for key, value in spec.metadata.items():
        if not 1 <= len(key) <= _NAME_LIMIT or len(value) > _NAME_LIMIT:
            raise _invalid("metadata", key)
    if len(base64.b64encode(spec.user_data)) > _USER_DATA_LIMIT:
        # Its content may be secret: name the field only.
        raise InvalidRequest(
            "Invalid input for field/attribute user_data. Value is too long.",
            status=400,
        )


def check_name(name: str) -> None:
    """Raise `InvalidRequest` for what Nova's schema does not take as a name."""
    printable = all(map(_is_printable, name))
    if not 1 <= len(name) <= _NAME_LIMIT or name != name.strip() or not printable:
        raise _invalid("name", name)


def _is_printable(char: str) -> bool:
    # nova/api/validation/parameter_types.py, which looks no further than U+FFFE.
    category = unicodedata.category(char)
    other = category[0] in "CZ" and category != "Zs"
    return ord(char) < 0xFFFF and not other


def _invalid(attribute: str, value: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid input for field/attribute {attribute}. Value: {value}.", status=400
    )


def check_room(image: Image, flavor: Flavor) -> None:
    """Raise `InvalidRequest` for a flavor too small for an image."""
    if flavor.ram_mb < image.min_ram_mb:
        raise InvalidRequest(
            "Flavor's memory is too small for requested image.", status=400
        )
    if flavor.disk_gb < image.min_disk_gb:
        raise InvalidRequest(
            "Flavor's disk is smaller than the minimum size specified in image"
            f" metadata. Flavor disk is {flavor.disk_gb} GiB, minimum size is"
            f" {image.min_disk_gb} GiB.",
            status=400,
        )
