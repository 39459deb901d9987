"""Users of the OpenAI-compatible API: one asks whole answers, one reads streams."""

import time
from typing import Any

from locust import FastHttpUser, between, task

from load_tests.users.prompts import Topics


class ChatUser(FastHttpUser):
    """Asks for a short answer and waits for all of it."""

    wait_time = between(0.1, 0.5)
    weight = 3

    def on_start(self) -> None:
        options = self.environment.parsed_options
        self.model = options.model
        self.headers = {"Authorization": f"Bearer {options.key}"}
        self.topics = Topics(seed=id(self) % 10_000)

    def body(self, **changes: Any) -> dict[str, Any]:
        text = f"Write an Instagram caption about {self.topics.topic()}"
        messages = [{"role": "user", "content": text}]
        return {"model": self.model, "messages": messages, "max_tokens": 48, **changes}

    @task
    def chat(self) -> None:
        with self.client.post(
            "/v1/chat/completions",
            json=self.body(),
            headers=self.headers,
            name="chat",
            catch_response=True,
        ) as response:
            if response.status_code == 200 and not response.json()["choices"]:
                response.failure("an answer without choices")


class StreamUser(ChatUser):
    """Reads a stream; reports time to the first token and the whole time apart."""

    weight = 1

    @task
    def chat(self) -> None:
        started = time.perf_counter()
        first: float | None = None
        is_complete = False
        with self.client.post(
            "/v1/chat/completions",
            json=self.body(stream=True),
            headers=self.headers,
            name="chat stream",
            catch_response=True,
            stream=True,
        ) as response:
            while line := response.stream.readline(b"\n"):
                if first is None and line.startswith(b"data: "):
                    first = time.perf_counter()
                is_complete = is_complete or line.strip() == b"data: [DONE]"
            if not is_complete:
                response.failure("a stream without its end")
        if first is not None:
            self.environment.events.request.fire(
                request_type="SSE",
                name="first token",
                response_time=(first - started) * 1000,
                response_length=0,
                exception=None,
                context={},
            )
