"""An application's end of back-channel messages: a real HTTP server in a thread of the test."""
import http.server
import threading
import urllib.parse


class Sink:
    """Records what is posted. answers[path]: statuses for the next requests, 200 behind them; gates
    [path]: an Event that requests wait for."""

    def __init__(self, tls=None):
        """tls: an ssl.SSLContext of a server, for https."""
        self.received = []  # (path, {name: [value]}, headers)
        self.answers, self.gates = {}, {}
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # of handshakes that the other side ends
        self.scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def port(self):
        return self._server.server_port

    def url(self, path):
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    def of(self, path):
        """The forms that came to a path."""
        with self._lock:
            return [form for where, form, _ in self.received if where == path]

    def close(self):
        for gate in self.gates.values():
            gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _take(self, path, body, headers):
        with self._lock:
            self.received.append((path, urllib.parse.parse_qs(body, strict_parsing=True), headers))
            waiting = self.answers.get(path) or [200]
            return waiting.pop(0) if self.answers.get(path) else waiting[0]

    def _handler(sink):  # pylint: disable=no-self-argument
        class Handler(http.server.BaseHTTPRequestHandler):
            """One request."""

            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status = sink._take(self.path, body, self.headers)
                gate = sink.gates.get(self.path)
                if gate is not None:
                    gate.wait(180)
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    pass  # whoever asked has gone

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        return Handler
