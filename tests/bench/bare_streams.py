"""Streams that say nothing, to know what a connection costs the server itself."""

from typing import Any


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
    else:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        body = {"type": "http.response.body", "body": b":\n\n", "more_body": True}
        await send(body)
    while not (await receive())["type"].endswith("disconnect"):
        pass
