"""The lab as a server: it ends whole, whatever its callers were doing."""

import gc
import socket
import ssl
import time
import warnings

from aoai_lib.lab.server import Lab, load_worlds


def test_it_leaves_no_connection_open_when_it_stops() -> None:
    lab = Lab(load_worlds(["hardened"])).start()
    port = int(lab.url.rpartition(":")[2])
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
    context = ssl.create_default_context(cafile=lab.ca_file)
    greeted = [
        context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
        for _ in range(2)
    ]
    farewell = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
    farewell.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    host, gateway = next(iter(lab.vantages.values()))["gateway"].split(":")
    unanswered = [socket.create_connection((host, int(gateway))) for _ in range(2)]
    for each in unanswered:
        each.sendall(b"CONNECT 203.0.113.7:443 HTTP/1.1\r\n\r\n")
    time.sleep(0.2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        lab.stop()
        gc.collect()
    for each in (*silent, *greeted, farewell, *unanswered):
        each.close()
    assert [str(each.message) for each in caught] == []
