"""HAProxy is started once the one before has closed its ports."""

import socket
import threading

from cluster.ops.haproxy_start import ports, wait_until_free

CONFIGURATION = """
frontend prometheus
    bind 127.0.0.1:6482
frontend http_frontend
    bind *:8000 ssl crt /x.pem
listen stats
    bind [::1]:6483
"""


def test_the_ports_are_those_of_every_bind_line() -> None:
    assert ports(CONFIGURATION) == [6482, 8000, 6483]


def test_a_port_that_is_being_closed_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as before:
        port = before.getsockname()[1]
        ending = threading.Timer(0.2, before.close)
        ending.start()

        wait_until_free([port], limit_s=10.0)

        ending.join()
        socket.create_server(("127.0.0.1", port)).close()


def test_a_port_that_stays_taken_is_left_for_haproxy_to_complain_about() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        wait_until_free([other.getsockname()[1]], limit_s=0.1)  # it returns
