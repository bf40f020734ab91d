"""A slow network and a browser that hesitates: what happens once in a thousand runs on a busy machine
happens in each one.

Every request arrives late, every answer comes in two halves with a pause between them, and a form or
a link that was pressed goes its way only after a while. A test that looks at a page which is about to
be replaced, or is half there, fails for certain.
"""
import contextlib
import os
import socket
import socketserver
import struct
import threading
import time

DELAY = int(os.environ.get("BROWSER_DELAY_MS", "0")) / 1000

HESITATE = """
const let_go = new WeakSet();
const later = (event, what, go) => {
    if (let_go.delete(what)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    setTimeout(() => { let_go.add(what); go(); }, DELAY);
};
addEventListener("submit", (event) =>
    later(event, event.target, () => event.target.requestSubmit(event.submitter)), true);
addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (link) later(event, link, () => link.click());
}, true);
""".replace("DELAY", str(DELAY * 1000))


class Relay(socketserver.BaseRequestHandler):
    """One connection of the browser's, by SOCKS 5: to this machine, whatever name was asked for."""

    def handle(self):
        self._exactly(self._exactly(2)[1])
        self.request.sendall(b"\x05\x00")
        kind = self._exactly(4)[3]
        self._exactly({1: 4, 4: 16}.get(kind) or self._exactly(1)[0])
        port, = struct.unpack("!H", self._exactly(2))
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as there:
            self.request.sendall(b"\x05\x00\x00\x01" + bytes(6))
            back = threading.Thread(target=self._answers, args=(there,), daemon=True)
            back.start()
            self._requests(there)
            back.join()

    def _exactly(self, size):
        return self.request.recv(size, socket.MSG_WAITALL)

    def _requests(self, there):
        with contextlib.suppress(OSError):
            while data := self.request.recv(65536):
                time.sleep(DELAY)
                there.sendall(data)
            there.shutdown(socket.SHUT_WR)

    def _answers(self, there):
        with contextlib.suppress(OSError):
            while data := there.recv(65536):
                self.request.sendall(data[:len(data) // 2])
                time.sleep(DELAY)
                self.request.sendall(data[len(data) // 2:])
            self.request.shutdown(socket.SHUT_WR)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


@contextlib.contextmanager
def network():
    """Arguments of a browser that has a slow network."""
    if not DELAY:
        yield []
        return
    with Server(("127.0.0.1", 0), Relay) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield [f"--proxy-server=socks5://127.0.0.1:{server.server_address[1]}",
               "--proxy-bypass-list=<-loopback>"]
        server.shutdown()
