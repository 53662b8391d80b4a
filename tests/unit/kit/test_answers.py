"""JSON in one piece is the same answer whichever way it is sent."""

from starlette.types import Message, Scope

from functions.kit.answers import WHOLE, JsonAnswer


async def sent(answer: JsonAnswer, extensions: dict[str, dict[object, object]]) -> list[Message]:
    messages: list[Message] = []
    scope: Scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "extensions": extensions}

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        messages.append(message)

    await answer(scope, receive, send)
    return messages


async def test_a_server_that_takes_it_whole_gets_it_whole() -> None:
    (message,) = await sent(JsonAnswer(b"{}", {"x-a": "1"}), {WHOLE: {}})
    assert message == {
        "type": WHOLE,
        "status": 200,
        "headers": {"x-a": "1", "content-type": "application/json"},
        "body": b"{}",
    }


async def test_any_other_server_gets_head_and_body() -> None:
    head, body = await sent(JsonAnswer(b"{}", {"x-a": "1"}), {})
    assert dict(head["headers"]) == {b"x-a": b"1", b"content-type": b"application/json", b"content-length": b"2"}
    assert (head["status"], body["body"], body.get("more_body", False)) == (200, b"{}", False)


async def test_a_header_put_in_later_is_sent() -> None:
    answer = JsonAnswer(b"{}", {})
    answer.headers["request-id"] = "r"
    head, _ = await sent(answer, {WHOLE: {}})
    assert (b"request-id", b"r") in head["headers"]
