"""An OpenAI-compatible endpoint on this machine that counts what it would bill and fails in every way that is known."""

import base64
import hashlib
import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GOOD = {
    "emotion": [
        "The person appears to be happy. The corners of the mouth are raised, which suggests happiness.",
        "The face shows surprise: the eyebrows are raised and the mouth is slightly open.",
        "This face conveys sadness. The lip corners are pulled down and the inner brows are raised.",
        "The expression is neutral and calm, without a strong emotion.",
        "The furrowed brows and pressed lips suggest anger.",
    ],
    "au": [
        "AU6 (Cheek Raiser) and AU12 (Lip Corner Puller) are active: the lip corners are drawn back.",
        "I can see AU1 (Inner Brow Raiser), AU2 (Outer Brow Raiser) and AU25 (Lips Part).",
        "AU4 (Brow Lowerer) is visible, with AU24 (Lip Pressor).",
        "No action units are active in this face.",
    ],
}
BAD = {
    "refuse": "I'm sorry, but I can't help with identifying emotions of real people.",
    "low": "Due to the low resolution of the image it is not possible to determine any expression.",
    "covered": "The face is covered by a hand, so I cannot determine the expression.",
    "nonsense": "}{}{ 0x00 %%% ####",
    "blank": "",
}
FAULTS = ("slow", "rate", "limit", "error", "half", "close", "garbage", *BAD)  # what a request may meet


class Server:
    """`faults` maps a request's number, from 0, to what it meets; all that is not named is answered well.

    Attributes: `requests` (a dict each: image hash, key, identity, billed tokens, fault), `billed` tokens in all.
    """

    def __init__(
        self, faults=lambda number: "", task: str = "emotion", key: str | None = None, tokens=(700, 60), model="served"
    ):
        self.faults, self.task, self.key, self.tokens, self.model = faults, task, key, tokens, model
        self.requests: list[dict[str, Any]] = []
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    @property
    def billed(self) -> int:
        return sum(request["billed"] for request in self.requests)

    def answers_of(self) -> Counter:
        """How often each picture was answered whole."""
        return Counter(request["image"] for request in self.requests if request["whole"])

    def _handler(server):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                payload = json.dumps({"object": "list", "data": [{"id": server.model, "object": "model"}]}).encode()
                self.send_response(200 if self.path == "/v1/models" else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                url = body["messages"][0]["content"][1]["image_url"]["url"]
                picture = base64.b64decode(url.partition("base64,")[2])
                with server.lock:
                    number = len(server.requests)
                    record = {"image": hashlib.sha256(picture).hexdigest(), "billed": 0, "whole": False, "body": body}
                    record |= {"key": self.headers.get("Authorization"), "time": time.monotonic()}
                    record["identity"] = self.headers.get("Idempotency-Key")
                    record["fault"] = server.faults(number)
                    server.requests.append(record)
                    server.in_flight += 1
                    server.most_in_flight = max(server.most_in_flight, server.in_flight)
                try:
                    self.answer(record, body)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                finally:
                    with server.lock:
                        server.in_flight -= 1

            def answer(self, record, body):
                fault = record["fault"]
                if server.key and record["key"] != f"Bearer {server.key}":
                    return self.refuse(401, "invalid_api_key", "Incorrect API key provided.")
                if fault == "rate":
                    return self.refuse(429, "rate_limit_exceeded", "Slow down.", {"Retry-After": "0.2"})
                if fault == "newer" and "max_tokens" in body:
                    told = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
                    return self.refuse(400, "unsupported_parameter", told)
                if fault == "bad":
                    return self.refuse(400, "invalid_image", "The image cannot be processed.")
                if fault == "faceless":
                    return self.refuse(400, "BadRequestError", "No face was read in the picture. This model was ...")
                if fault == "error":
                    return self.refuse(500, "server_error", "The server had an error.")
                if fault == "close":
                    self.close_connection = True
                    return self.connection.close()
                if fault == "slow":
                    time.sleep(0.5)
                lot = int(record["image"][:8], 16)
                text = BAD.get(fault, GOOD[server.task][lot % len(GOOD[server.task])])
                if body.get("stream"):
                    return self.stream(text, whole=fault != "half")
                prompt, completion = server.tokens
                record["billed"] = prompt + completion
                reply = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"] + "-2026-01-01"}
                reply["choices"] = [
                    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
                ]
                reply["usage"] = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": 0}
                payload = b"<html>502</html>" if fault == "garbage" else json.dumps(reply).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                if fault == "limit":
                    self.send_header("x-ratelimit-remaining-requests", "0")
                    self.send_header("x-ratelimit-reset-requests", "150ms")
                self.end_headers()
                if fault == "half":
                    self.wfile.write(payload[: len(payload) // 2])
                    self.wfile.flush()
                    self.close_connection = True
                    return self.connection.close()
                record["whole"] = fault != "garbage"
                self.wfile.write(payload)

            def stream(self, text, whole):
                words = text.split(" ")
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                for word in words if whole else words[: len(words) // 2]:
                    part = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m"}
                    part["choices"] = [{"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None}]
                    self.wfile.write(f"data: {json.dumps(part)}\n\n".encode())
                if whole:
                    part["choices"] = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
                    self.wfile.write(f"data: {json.dumps(part)}\n\ndata: [DONE]\n\n".encode())
                self.close_connection = True

            def refuse(self, status, code, message, headers=()):
                payload = json.dumps({"error": {"message": message, "type": code, "code": code}}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                for name, value in dict(headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(payload)

        return Handler
