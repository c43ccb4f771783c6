"""As much of HTTP as a scrape of metrics takes: ``GET /metrics``, answered and closed."""

from __future__ import annotations

from dataclasses import dataclass

from joulewise.errors import UsageError

METHOD = b"GET "
HEAD_BYTES = 8 * 1024
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class Scrape:
    """What was asked.

    Attributes:
        path: Of the address, without what follows ``?``.
        token: The bearer token of the header Authorization, or empty.
    """

    path: str
    token: str


def parse_scrape(head: bytes) -> Scrape:
    """The request in the lines up to the empty one.

    Raises:
        UsageError: If it is none.
    """
    fix = "ask for GET /metrics"
    if len(head) > HEAD_BYTES:
        raise UsageError("this request is too long", f"{len(head)} bytes", fix)
    try:
        first, *headers = head.decode("ascii").rstrip("\r\n").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise UsageError("this is no request of HTTP", f"byte {error.start} is not ASCII", fix) from error
    words = first.split(" ")
    if len(words) != 3 or words[0] != "GET" or not words[2].startswith("HTTP/1."):
        raise UsageError("this is no request that is answered here", repr(first[:80]), fix)
    token = ""
    for header in headers:
        name, _, value = header.partition(":")
        scheme, _, credentials = value.strip().partition(" ")
        if name.strip().lower() == "authorization" and scheme.lower() == "bearer":
            token = credentials.strip()
    return Scrape(words[1].partition("?")[0], token)


def response(status: int, body: str) -> bytes:
    """A whole answer, after which the connection closes."""
    content = body.encode()
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {CONTENT_TYPE}\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content
