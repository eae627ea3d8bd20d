"""A web server of a folder in a thread of its own, which notes what was asked of it."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Asked:
    """What a server sent: path and number of bytes of each answer."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sent: list[tuple[str, int]] = []

    def bytes(self, word: str = "") -> int:
        return sum(count for path, count in self.sent if word in path)


class _Handler(SimpleHTTPRequestHandler):
    asked: Asked
    ranges: bool

    def do_GET(self) -> None:
        file = Path(self.translate_path(self.path))
        if not file.is_file():
            self.send_error(404)
            return
        data, found = file.read_bytes(), re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        start, stop = (int(found[1]), min(int(found[2]) + 1, len(data))) if found and self.ranges else (0, len(data))
        self.send_response(206 if found and self.ranges else 200)
        self.send_header("Content-Length", str(stop - start))
        if found and self.ranges:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        self.end_headers()
        # Noted first: whoever asked goes on as soon as the last byte is there.
        self.asked.sent.append((self.path, stop - start))
        self.wfile.write(data[start:stop])

    def log_message(self, format: str, *values: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path, *, ranges: bool = True) -> Iterator[Asked]:
    """Serve a folder; ``ranges``: whether parts of files are sent where parts are asked for."""
    asked = Asked("")
    handler = type("Handler", (_Handler,), {"asked": asked, "ranges": ranges})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    asked.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
