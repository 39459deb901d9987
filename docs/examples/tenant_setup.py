"""Makes a plan, a tenant on it and a key for it, over the HTTP API; then shows what binds the key.

Run it against a running cluster, with the operator's key in the environment, where `ps` does not
show it:

    MOBULA_API_KEY="$(./mobula keys show)" .venv/bin/python docs/examples/tenant_setup.py

Running it again is harmless: the plan is replaced, the tenant is kept, another key is made.
"""

import os

import httpx

URL = "http://127.0.0.1:8000"
PLAN = {
    "id": "team",
    "name": "Team",
    "rates": {
        "generate": {
            "requests": {"limit": 600, "per": "minute", "burst": 60},
            "tokens": {"limit": 200_000, "per": "minute", "burst": 50_000},
        }
    },
    "concurrency": {"limit": 32},
    "budgets": {"cost_units": {"day": 5_000_000, "month": 100_000_000}},
    "models": ["nano"],
    "weight": 2.0,
}
LIFE_S = 90 * 86_400


def main(operator_key: str, url: str = URL) -> None:
    with httpx.Client(base_url=url, headers=_bearer(operator_key), timeout=30) as operator:
        _checked(operator.put("/api/v1/plans/team", json=PLAN))
        made = operator.post("/api/v1/tenants", json={"id": "acme", "name": "Acme", "plan": "team"})
        if made.status_code != httpx.codes.CONFLICT:  # it is there already
            _checked(made)
        asked = {
            "name": "back end",
            "scopes": ["generate", "models:read", "usage:read"],
            "expires_in_s": LIFE_S,
        }
        key = _checked(operator.post("/api/v1/tenants/acme/keys", json=asked)).json()["key"]
    print(f"key, shown this once: {key}")

    with httpx.Client(base_url=url, headers=_bearer(key), timeout=60) as acme:
        body = {"model": "nano", "messages": [{"role": "user", "content": "A caption for rain"}]}
        answer = _checked(acme.post("/v1/chat/completions", json={**body, "max_tokens": 48}))
        print(f"answer: {answer.json()['choices'][0]['message']['content']}")
        print(f"limits: {answer.headers['RateLimit']}")


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _checked(response: httpx.Response) -> httpx.Response:
    """Ends with the problem's own sentence, which names the field or the limit."""
    if response.is_error:
        problem = response.json()
        raise SystemExit(problem.get("detail") or problem["error"]["message"])
    return response


if __name__ == "__main__":
    main(os.environ["MOBULA_API_KEY"], os.environ.get("MOBULA_URL", URL))
