"""The time to a page's first byte, with a client that adds little of its own."""
import socket
import ssl
import struct
import sys
import time


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def status_is(block, status):
    """Whether a header block begins with an indexed :status, after what it may say of the table's size (RFC 7541, 6.1, 6.3, A)."""
    return block.lstrip(b"\x20")[:1] == {200: b"\x88", 404: b"\x8d"}[status]


def first_byte(url, path, status=200):
    """Milliseconds from the end of the handshake until the answer's headers are here: HTTP/2, a new connection. The path is shorter than 127."""
    host = url.split("//")[1]
    context = ssl._create_unverified_context()
    context.set_alpn_protocols(["h2"])
    fields = b"\x82\x87\x04" + bytes([len(path)]) + path.encode() + b"\x01" + bytes([len(host)]) + host.encode() + b"\x90"  # RFC 7541, 6
    hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(1, 5, 1, fields)
    address = host.split(":")
    with context.wrap_socket(socket.create_connection((address[0], int(address[1])), timeout=30)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began, bytes_read = time.perf_counter(), b""
        connection.sendall(hello)
        while True:
            more = connection.recv(65536)
            now = time.perf_counter()
            if not more:
                sys.exit(f"{url}{path}: no answer")
            bytes_read += more
            while len(bytes_read) >= 9:
                length, kind = int.from_bytes(bytes_read[:3], "big"), bytes_read[3]
                if kind == 1 and len(bytes_read) >= 9 + length:
                    if not status_is(bytes_read[9:9 + length], status):
                        sys.exit(f"{url}{path}: not answered {status}")
                    return (now - began) * 1000
                if len(bytes_read) < 9 + length:
                    break
                bytes_read = bytes_read[9 + length:]
