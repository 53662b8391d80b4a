"""A provider that answers at once: what is measured in front of it is the gateway alone.

`python -m scenarios.load.mock_provider PORT` speaks just enough HTTP/1.1 and OpenAI to be called by any gateway.
"""

import asyncio
import sys

import uvloop

_ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-mini","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"Hello there, how can I help you today?"},"logprobs":null,'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":10,"total_tokens":19}}'
)
_CHUNK = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":'
    b'[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n'
)
_STREAM_END = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":'
    b'[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":10,"total_tokens":19}}\n\ndata: [DONE]\n\n'
)
# Of any text: what is measured is the way to it and what is done with it.
_EMBEDDING = b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[%s]}],"model":"e","usage":%s}' % (
    b",".join([b"0.05103"] * 384),
    b'{"prompt_tokens":9,"total_tokens":9}',
)


def _response(body: bytes, kind: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n"
    return head % (kind, len(body)) + body


WHOLE = _response(_ANSWER, b"application/json")
EMBEDDING = _response(_EMBEDDING, b"application/json")
STREAM = _response(_CHUNK * 10 + _STREAM_END, b"text/event-stream")


class Provider(asyncio.Protocol):
    """Answers each request in a connection's bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's call when connected."""
        self._transport = transport
        # Of a batch of spans, a megabyte comes in pieces.
        self._pending = bytearray()

    def data_received(self, data: bytes) -> None:
        """Asyncio's call with bytes."""
        self._pending += data
        while (end := self._pending.find(b"\r\n\r\n")) >= 0:
            head = self._pending[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._pending) < end + 4 + size:
                return
            self._transport.write(_answer(head, self._pending[end + 4 : end + 4 + size]))  # type: ignore[attr-defined]
            del self._pending[: end + 4 + size]


def _answer(head: bytearray, body: bytearray) -> bytes:
    if b"/embeddings " in head:
        return EMBEDDING
    # What else is posted here is spans.
    is_chat = b"/chat/completions " in head
    return STREAM if is_chat and b'"stream":true' in body.replace(b" ", b"") else WHOLE


async def serve(port: int) -> None:
    """Answer on 127.0.0.1 until ended."""
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
