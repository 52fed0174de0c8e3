"""One HTTP/1.1 request, told exactly: bytes as given, and the answer's lines as they came. httpx would tidy both."""

import dataclasses
import socket
import ssl

TLS = ssl.create_default_context()
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


@dataclasses.dataclass
class Answer:
    status: int
    headers: list  # (name, value), bytes, in order
    body: bytes

    def lines(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower().encode()]

    def line(self, name):
        found = self.lines(name)
        return found[0].decode("latin-1") if found else None

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


def to_bytes(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


def request_bytes(method, target, headers=(), body=b"", host="localhost"):
    lines = [b"%s %s HTTP/1.1" % (to_bytes(method), to_bytes(target)), b"host: " + to_bytes(host)]
    lines += [to_bytes(name) + b": " + to_bytes(value) for name, value in headers]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def connect(address, tls=False, timeout=10):
    connection = socket.create_connection(address, timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return TLS.wrap_socket(connection, server_hostname="localhost") if tls else connection


def split_head(head):
    """(status, header lines) of what stands before the empty line."""
    first, *lines = head.split(b"\r\n")
    headers = [tuple(part.strip(b" \t") for part in line.split(b":", 1)) for line in lines]
    return int(first.split(b" ")[1]), headers


def read_answer(file, method="GET"):
    """Reads one answer of a connection's file; ConnectionError when it ends before."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = file.readline(70000)
        if not line:
            raise ConnectionError(f"the connection ended after {head!r:.200}")
        head += line
    status, headers = split_head(head[:-4])
    answer = Answer(status, headers, b"")
    if method == "HEAD" or status in (204, 304):
        return answer
    if answer.line("transfer-encoding"):
        while size := int(file.readline(100).split(b";")[0], 16):
            answer.body += file.read(size)
            file.readline(10)
        file.readline(10)
        return answer
    size = answer.line("content-length")
    answer.body = file.read(int(size)) if size else file.read()
    if size and len(answer.body) < int(size):
        raise ConnectionError(f"{len(answer.body)} of {size} bytes came")
    return answer


def fetch(address, target, method="GET", headers=(), body=b"", tls=False, timeout=10, host="localhost"):
    with connect(address, tls, timeout) as connection:
        connection.sendall(request_bytes(method, target, [*headers, ("connection", "close")], body, host))
        with connection.makefile("rb") as file:
            return read_answer(file, method)
