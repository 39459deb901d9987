"""Users who read: a tenant's dashboard, and an operator who looks after all tenants."""

from urllib.parse import quote

from locust import between, task

from load_tests.users.tenant_user import TenantUser


class DashboardUser(TenantUser):
    """Looks at models, usage, limits, jobs."""

    wait_time = between(0.5, 2.0)

    def on_start(self) -> None:
        super().on_start()
        me = self.read("who am I", "/api/v1/auth/me") or {}
        self.tenant = quote(str(me.get("tenant", "default")))

    @task(3)
    def models(self) -> None:
        models = self.read("models", "/v1/models") or {"data": []}
        for model in models["data"][:1]:
            self.read("model", f"/v1/models/{quote(model['id'])}")

    @task(2)
    def usage(self) -> None:
        self.read("usage", "/api/v1/usage?group_by=model&group_by=day")

    @task(1)
    def limits(self) -> None:
        self.read("limits", f"/api/v1/tenants/{self.tenant}/limits")

    @task(1)
    def jobs(self) -> None:
        self.read("jobs", "/api/v1/jobs?limit=20")
        self.read("videos", "/api/v1/videos?limit=20")

    @task(1)
    def facts(self) -> None:
        self.read("capabilities", "/api/v1/capabilities")
        self.read("version", "/version")
        self.read("readiness", "/readyz")


class OperatorUser(TenantUser):
    """Needs a key with scope admin."""

    wait_time = between(1.0, 3.0)

    @task(2)
    def tenants(self) -> None:
        for tenant in (self.read("tenants", "/api/v1/tenants?limit=20") or {"data": []})["data"]:
            self.read("keys", f"/api/v1/tenants/{quote(tenant['id'])}/keys?limit=20")
            return

    @task(1)
    def plans(self) -> None:
        self.read("plans", "/api/v1/plans?limit=20")

    @task(1)
    def audit(self) -> None:
        self.read("audit", "/api/v1/audit?limit=20")

    @task(1)
    def cache(self) -> None:
        self.read("cache stats", "/api/v1/cache/stats?all_tenants=true")

    @task(1)
    def health(self) -> None:
        self.read("health", "/health")
        self.client.get("/metrics", headers=self.headers, name="metrics")
