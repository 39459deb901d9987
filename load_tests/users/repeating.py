"""Users who repeat earlier requests: the cache answers most of them."""

from locust import between, task

from load_tests.users.prompts import Topics
from load_tests.users.tenant_user import TenantUser

_QUESTIONS = 50


class RepeatingUser(TenantUser):
    """Every one of them asks from the same few questions."""

    wait_time = between(0.05, 0.2)

    @task
    def ask_again(self) -> None:
        number = self.topics.number(_QUESTIONS)
        text = f"Write a caption about {Topics(seed=number).topic()}"
        messages = [{"role": "user", "content": text}]
        body = {"model": self.options.model, "messages": messages, "temperature": 0}
        self.ask("chat, cached", "/v1/chat/completions", {**body, "max_tokens": 48})
