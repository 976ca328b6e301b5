"""A camera for tests, `Camera`: an RTSP server with one stream of sound, as 16-bit PCM in RTP over TCP."""

import socketserver
import struct
import threading
import time
from contextlib import suppress

import numpy as np

SR, PACKET = 8000, 400  # Hz, samples
SDP = f"v=0\r\ns=camera\r\nt=0 0\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 L16/{SR}/1\r\na=control:sound\r\n"
MORE = {
    "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}",
    "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
}


class Camera(socketserver.ThreadingTCPServer):
    """Plays `sound`, float (samples,) at `SR` Hz, in real time to each client, and hangs up at its end."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, sound: np.ndarray, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Client)
        self.sound, self.port = sound, self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Refuse new clients."""
        self.shutdown()
        self.server_close()


class _Client(socketserver.StreamRequestHandler):
    server: Camera

    def handle(self) -> None:
        while request := self.rfile.readline().decode().split():
            lines = [line.decode() for line in iter(self.rfile.readline, b"\r\n")]
            (number,) = (line for line in lines if line.startswith("CSeq"))
            more = MORE.get(request[0], "\r\n")
            self.wfile.write(f"RTSP/1.0 200 OK\r\n{number}Session: 1\r\n{more}".encode())
            if request[0] == "PLAY":
                with suppress(OSError):  # the client has gone
                    self._play()
                return

    def _play(self) -> None:
        begun, pcm = time.monotonic(), np.round(32767 * self.server.sound).astype(">i2")
        for k in range(len(pcm) // PACKET):
            packet = struct.pack(">BBHII", 0x80, 97, k % 2**16, k * PACKET, 1)
            packet += pcm[k * PACKET : (k + 1) * PACKET].tobytes()
            self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
            time.sleep(max(0.0, begun + (k + 1) * PACKET / SR - time.monotonic()))
