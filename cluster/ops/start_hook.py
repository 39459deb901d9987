"""Called inside `ray start` (RAY_START_HOOK), after its options are read and before it acts.

Leaves out the Ray Client server, for which no command-line option exists: nobody here uses it,
and it is one more process and one more open port.
"""

from typing import Any


def disable_client_server(ray_params: Any, _head: bool) -> None:
    ray_params.ray_client_server_port = None
