"""Paths of files, and the locations of their bytes: `t/<tenant>/<2 digits>/<place>`.

A path is the name of a tenant's file in the inventory. A place is a random id for every write, and
is never used again: deleting the bytes of one write cannot delete those of another, whatever their
paths.
"""

import re
import secrets

from cluster.runtime.problems import InvalidRequest

MAX_PATH = 300
UNNAMED = "@"  # begins the path of a row that is not, or no longer, a file; in no file's path
ROOT = "t"

_PATH = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", re.ASCII)
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_LOCATION = re.compile(rf"{ROOT}/({_TENANT.pattern})/([0-9a-f]{{2}})/(\2[0-9a-f]{{30}})", re.ASCII)


def validate_path(path: str) -> str:
    """`path` itself. Raises InvalidRequest."""
    parts = path.split("/")
    if len(path) > MAX_PATH or not _PATH.fullmatch(path) or {".", ".."} & set(parts):
        raise InvalidRequest(
            f"path: is 1 to {MAX_PATH} of A-Z a-z 0-9 . _ - and /, without empty parts, '.' and "
            "'..'.",
            param="path",
            limit=MAX_PATH,
        )
    return path


def new_location() -> str:
    return secrets.token_hex(16)


def location(tenant: str, place: str) -> str:
    """The location of the bytes in the store. Raises ValueError for an invalid tenant id."""
    if not _TENANT.fullmatch(tenant):
        raise ValueError("this is no tenant's id")
    return f"{ROOT}/{tenant}/{place[:2]}/{place}"


def location_to_place(location: str) -> str | None:
    """The place of a location; None for anything else."""
    match = _LOCATION.fullmatch(location)
    return None if match is None else match[3]
