"""POSIX access control lists of files (Linux), so that one more user may read a file."""

import errno
import os
import struct
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path

from premade.postgres.embedded.errors import EmbeddedPostgresError, user_name

ACL_ATTRIBUTE = "system.posix_acl_access"
ACL_VERSION = 2
ACL_NO_ID = 0xFFFFFFFF
READ, SEARCH = 4, 1


class _Tag(IntEnum):
    """The kinds of entries in a POSIX access control list, as Linux numbers and orders them."""

    OWNER = 0x01
    USER = 0x02
    OWNING_GROUP = 0x04
    GROUP = 0x08
    MASK = 0x10
    OTHER = 0x20


_ACL_HEADER = struct.Struct("<I")
_ACL_ENTRY = struct.Struct("<HHI")
_MASK = (_Tag.MASK.value, ACL_NO_ID)
_OWNING_GROUP = (_Tag.OWNING_GROUP.value, ACL_NO_ID)


def grant(path: Path, uid: int, permissions: int) -> None:
    """Give one user more permissions on a file by an entry in its access control list (Linux)."""
    try:
        entries = _read_acl(path)
        mask = entries.get(_MASK, entries[_OWNING_GROUP])
        if permissions & ~mask:
            # The mask must grow. Lower the other entries to it first, or permissions that it hid would take effect.
            for tag, who in entries:
                if tag in (_Tag.USER, _Tag.OWNING_GROUP, _Tag.GROUP):
                    entries[tag, who] &= mask
        own = (_Tag.USER.value, uid)
        entries[own] = entries.get(own, 0) | permissions
        entries[_MASK] = mask | permissions
        _write_acl(path, entries)
    except (OSError, AttributeError) as error:
        # AttributeError: only Linux has os.setxattr.
        raise EmbeddedPostgresError(
            "embedded_no_access", user=user_name(uid), path=path, why=error
        ) from error


def _read_acl(path: Path) -> dict[tuple[int, int], int]:
    """Return the permissions by kind and id. A file without a list has those of its mode."""
    try:
        packed = os.getxattr(path, ACL_ATTRIBUTE)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        mode = path.stat().st_mode
        shifts = {_Tag.OWNER: 6, _Tag.OWNING_GROUP: 3, _Tag.OTHER: 0}
        return {(tag.value, ACL_NO_ID): mode >> shift & 0o7 for tag, shift in shifts.items()}
    entries = _ACL_ENTRY.iter_unpack(packed[_ACL_HEADER.size :])
    return {(tag, who): permissions for tag, permissions, who in entries}


def _write_acl(path: Path, entries: Mapping[tuple[int, int], int]) -> None:
    # The kernel wants them in the order of their kinds.
    packed = [_ACL_ENTRY.pack(tag, permissions, who) for (tag, who), permissions in sorted(entries.items())]
    os.setxattr(path, ACL_ATTRIBUTE, _ACL_HEADER.pack(ACL_VERSION) + b"".join(packed))
