"""Every operation that takes the name of a model, with a body for it."""

from typing import Any

CHAT = "/v1/chat/completions"
TURN = {"role": "user", "content": "hello"}
TEXT_DOORS: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [TURN]},
    "/v1/completions": {"prompt": "hello"},
    "/v1/responses": {"input": "hello"},
    "/v1/messages": {"messages": [TURN], "max_tokens": 8},
    "/api/v1/captions": {"topic": "tea"},
    "/api/v1/posts": {"topic": "tea"},
}
UNMETERED = {
    "/v1/messages/count_tokens": {"messages": [TURN]},
    "/tokenize": {"prompt": "hello"},
    "/detokenize": {"tokens": [104, 105]},
}
OPERATIONS = {
    "chat": TEXT_DOORS[CHAT],
    "completions": TEXT_DOORS["/v1/completions"],
    "responses": TEXT_DOORS["/v1/responses"],
    "messages": TEXT_DOORS["/v1/messages"],
    "captions": TEXT_DOORS["/api/v1/captions"],
    "posts": TEXT_DOORS["/api/v1/posts"],
}
