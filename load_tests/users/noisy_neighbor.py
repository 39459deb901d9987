"""Two tenants on one cluster: one floods it, the other goes on as before.

Give the flooding one a key of its own, `--noisy-key`. Refusing it is right, so its 429 and 503 with
Retry-After count as `noisy, refused` and not as failures.
"""

from typing import Any

from locust import between, constant, task

from load_tests.users.tenant_user import TenantUser

REFUSED = (429, 503)


class QuietUser(TenantUser):
    """Works within its share; what happens to it is judged."""

    wait_time = between(0.2, 0.6)

    @task
    def chat(self) -> None:
        self.ask("quiet", "/v1/chat/completions", build_chat(self))


class NoisyUser(TenantUser):
    """Asks again as soon as it is answered, or refused."""

    wait_time = constant(0.0)

    def key(self) -> str:
        return str(self.environment.parsed_options.noisy_key)

    @task
    def flood(self) -> None:
        with self.client.post(
            "/v1/chat/completions",
            json=build_chat(self),
            headers=self.headers,
            name="noisy",
            catch_response=True,
        ) as response:
            if response.status_code in REFUSED and "Retry-After" in (response.headers or {}):
                response.request_meta["name"] = "noisy, refused"
                response.success()


def build_chat(user: TenantUser) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"A caption about {user.topics.topic()}"}]
    return {"model": user.options.model, "messages": messages, "max_tokens": 48}
