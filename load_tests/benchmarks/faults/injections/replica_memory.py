"""Memory that a replica holds and nobody uses; shipped into its process by `__ray_call__`."""

from typing import Any

_MIB = 1 << 20
_held: list[bytearray] = []


def hold_memory(actor: Any, mib: int) -> int:
    """Takes so much more, written to so that it counts; the MiB that are held now."""
    _held.extend(bytearray(b"\x01") * _MIB for _ in range(mib))
    return len(_held)


def free_memory(actor: Any) -> None:
    _held.clear()
