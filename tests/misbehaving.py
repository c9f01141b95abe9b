"""A small HTTP server that misbehaves on purpose, for faults that the real one cannot be made to show.

The last part of the address chooses the fault: /hangs/v1, /wrong/v1 (not the API at all), /page/v1 (a web
page, as a login in between gives), /fails/v1 (HTTP 500
in the API's envelope), /cut/v1 (a stream that ends in the middle, without an error), /error/v1 (an error
inside the stream).
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CHUNK = {
    "id": "1",
    "object": "chat.completion.chunk",
    "created": 0,
    "model": "m",
    "choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}],
}


class Misbehaving(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.over = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, fault: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{fault}/v1"

    def close(self) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Misbehaving

    def do_POST(self) -> None:
        fault = self.path.split("/")[1]
        self.rfile.read(int(self.headers["Content-Length"]))
        if fault in ("hangs", "v1"):
            self.server.over.wait(30)
        elif fault == "wrong":
            self._send(404, "text/html", "<h1>Not the page you look for</h1>")
        elif fault == "page":
            self._page()
        elif fault == "fails":
            self._send(500, "application/json", json.dumps({"error": {"message": "out of luck"}}))
        else:
            bad = {"error": {"message": "EngineCore died", "code": 500}}
            lines = [CHUNK, bad] if fault == "error" else [CHUNK]
            body = "".join(f"data: {json.dumps(line)}\n\n" for line in lines)
            self._send(200, "text/event-stream", body)

    def _page(self) -> None:
        self._send(200, "text/html", "<h1>Please log in</h1>")

    def do_GET(self) -> None:
        if self.path.startswith("/page/"):
            return self._page()
        self._send(404, "text/html", "<h1>Not the page you look for</h1>")

    def _send(self, status: int, kind: str, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        pass
