"""What all users share: a key, topics, and requests under the name of their route."""

from typing import Any

from locust import FastHttpUser

from load_tests.users.prompts import Topics


class TenantUser(FastHttpUser):
    """Acts under the key that `--key` gives. Requests are counted by `name`, not by address."""

    abstract = True

    def on_start(self) -> None:
        self.options = self.environment.parsed_options
        self.headers = {"Authorization": f"Bearer {self.key()}"}
        self.topics = Topics(seed=id(self) % 10_000)

    def key(self) -> str:
        return str(self.environment.parsed_options.key)

    def ask(self, name: str, path: str, body: dict[str, Any]) -> Any:
        """The answer's JSON, or None where it failed."""
        answer = self.client.post(path, json=body, headers=self.headers, name=name)
        return answer.json() if answer.status_code == 200 else None

    def read(self, name: str, path: str) -> Any:
        answer = self.client.get(path, headers=self.headers, name=name)
        return answer.json() if answer.status_code == 200 else None
