"""A local server that answers as the Messages API does, from a script; no model, no key, no cost.

Real HTTP on a free port of 127.0.0.1, so the real SDK, its retries and its parser take part. The
script is a list of replies (given in order, then an error), a list of rules, or a function of the
request. Also a program: `python -m swarm.testing.scripted_model --script FILE`.
"""

import argparse
import itertools
import json
import sys
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Self

from swarm.testing.script import (
    Json,
    ModelRequest,
    ScriptedReply,
    failing,
    first_match,
    in_order,
    read_script,
)
from swarm.testing.wire import message_body, stream_body, tokens_in

Script = Callable[[ModelRequest], ScriptedReply]

MAX_REQUEST_BYTES = 64 * 1024 * 1024


class ScriptedModel:
    """The server, running while the context is open; `url` is what ANTHROPIC_BASE_URL takes.

    Args:
        script: replies in order, or a function of the request that may be called from many threads.
        api_key: the only key that is let in; None lets every caller in.
    """

    def __init__(
        self, script: Script | Sequence[ScriptedReply], *, api_key: str | None = None, port: int = 0
    ) -> None:
        self._script = script if callable(script) else in_order(script)
        self._api_key = api_key
        self._lock = threading.Lock()
        self._seen_prefixes: set[str] = set()
        self._ids = itertools.count(1)
        self.requests: list[ModelRequest] = []
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.model = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL, without `/v1`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering; a reply that is being delayed is dropped."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def answer(self, path: str, headers: dict[str, str], body: Json) -> tuple[ScriptedReply, bytes, str]:
        """The reply to one request, its bytes and their content type; records the request."""
        request = ModelRequest(path, headers, body)
        with self._lock:
            self.requests.append(request)
        if self._api_key is not None and request.key != self._api_key:
            reply = failing(401, "authentication_error", "invalid x-api-key")
        elif path == "/v1/messages/count_tokens":
            return ScriptedReply(), json.dumps({"input_tokens": tokens_in(body)}).encode(), "application/json"
        elif path != "/v1/messages":
            reply = failing(404, "not_found_error", f"no such path: {path}")
        else:
            reply = self._script(request)
        if reply.raw_body is not None:
            return reply, reply.raw_body, "application/json"
        number = next(self._ids)
        if reply.status != 200:  # noqa: PLR2004  # HTTP
            error = {"type": reply.error_type, "message": reply.error_message, "details": reply.error_details}
            error = {name: value for name, value in error.items() if value is not None}
            document = {"type": "error", "error": error, "request_id": f"req_{number:06d}"}
            return reply, json.dumps(document).encode(), "application/json"
        message = message_body(reply, body, number, is_cached=self._is_cached(body))
        if body.get("stream"):
            return reply, stream_body(message), "text/event-stream"
        return reply, json.dumps(message).encode(), "application/json"

    def _is_cached(self, body: Json) -> bool:
        """The stable beginning of this prompt has been sent before and was marked for the cache."""
        prefix = json.dumps([body.get("model"), body.get("tools"), body.get("system")], sort_keys=True)
        with self._lock:
            is_known = prefix in self._seen_prefixes
            self._seen_prefixes.add(prefix)
        return is_known and "cache_control" in prefix


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    model: ScriptedModel


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "scripted-model"
    disable_nagle_algorithm: ClassVar[bool] = True
    server: _Server

    def do_POST(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(min(size, MAX_REQUEST_BYTES))
        try:
            body: Any = json.loads(raw)
        except ValueError:
            body = None
        path = self.path.partition("?")[0]
        headers = {name.lower(): value for name, value in self.headers.items()}
        if isinstance(body, dict):
            reply, sent, kind = self.server.model.answer(path, headers, body)
        else:
            reply = failing(400, "invalid_request_error", "the body is not a JSON object")
            sent, kind = (
                b'{"type":"error","error":{"type":"invalid_request_error","message":"not JSON"}}',
                ("application/json"),
            )
        if reply.delay_s and self.server.model.closing.wait(reply.delay_s):
            self.close_connection = True
            return
        self._send(reply, sent, kind)

    def _send(self, reply: ScriptedReply, body: bytes, kind: str) -> None:
        cut = reply.cut_after_bytes
        self.send_response(reply.status)
        self.send_header("content-type", kind)
        # A cut connection promises more than it sends, as a real one does.
        self.send_header("content-length", str(len(body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        self.wfile.flush()
        if cut is not None and cut < len(body):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        """Say nothing: requests are recorded, not printed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve a script file until interrupted; prints the URL as JSON on one line."""
    parser = argparse.ArgumentParser(prog="python -m swarm.testing.scripted_model", description=__doc__)
    parser.add_argument("--script", type=Path, required=True, help="JSON file of rules (see read_script)")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args(argv)
    with ScriptedModel(first_match(read_script(options.script)), port=options.port) as model:
        sys.stdout.write(json.dumps({"url": model.url}) + "\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
