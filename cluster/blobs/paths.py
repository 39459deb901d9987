"""Names of files, and where their bytes lie: `t/<tenant>/<2 digits>/<place>`.

A path is what a tenant's file is called in the inventory. A place is drawn at random for every
writing, and never used again: whoever deletes the bytes of one writing cannot meet those of
another, whatever they are called.
"""

import re
import secrets

from cluster.runtime.problems import InvalidRequest

MAX_PATH = 300
UNNAMED = "@"  # starts the path of a row that is no file yet, or no longer; in no path of a file
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
    """Where in the store the bytes are. Raises ValueError for what is no tenant's id."""
    if not _TENANT.fullmatch(tenant):
        raise ValueError("this is no tenant's id")
    return f"{ROOT}/{tenant}/{place[:2]}/{place}"


def location_to_place(location: str) -> str | None:
    """The place at a location; None for what no `location` gave."""
    found = _LOCATION.fullmatch(location)
    return None if found is None else found[3]
