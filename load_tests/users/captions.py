"""Users of the native API: captions, one at a time and in batches."""

from locust import FastHttpUser, between, task

from load_tests.users.prompts import Topics


class CaptionUser(FastHttpUser):
    """A social-media team at work."""

    wait_time = between(0.2, 1.0)
    weight = 2

    def on_start(self) -> None:
        self.headers = {"Authorization": f"Bearer {self.environment.parsed_options.key}"}
        self.topics = Topics(seed=id(self) % 10_000)

    @task(5)
    def caption(self) -> None:
        body = {"topic": self.topics.topic(), "platform": self.topics.platform(), "variants": 2}
        self.client.post("/api/v1/captions", json=body, headers=self.headers, name="captions")

    @task(1)
    def batch(self) -> None:
        items = [
            {"topic": self.topics.topic(), "platform": self.topics.platform()} for _ in range(5)
        ]
        self.client.post(
            "/api/v1/captions/batch", json={"items": items}, headers=self.headers, name="batch of 5"
        )
