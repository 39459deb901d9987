"""Users of the other text routes: plain completions, embeddings, posts."""

from locust import between, task

from load_tests.users.tenant_user import TenantUser


class CompletionUser(TenantUser):
    """Has a sentence finished."""

    wait_time = between(0.1, 0.5)

    @task
    def completion(self) -> None:
        prompt = f"The {self.topics.topic()} is"
        body = {"model": self.options.model, "prompt": prompt, "max_tokens": 32}
        self.ask("completion", "/v1/completions", body)


class EmbeddingUser(TenantUser):
    """Looks for what is alike: one text at a time, and batches of texts when it fills an index."""

    wait_time = between(0.1, 0.5)

    @task(4)
    def embed(self) -> None:
        body = {"model": self.options.embedding_model, "input": self.topics.topic()}
        self.ask("embedding", "/v1/embeddings", body)

    @task(1)
    def embed_many(self) -> None:
        texts = [self.topics.topic() for _ in range(16)]
        body = {"model": self.options.embedding_model, "input": texts}
        self.ask("embeddings of 16", "/v1/embeddings", body)


class PostUser(TenantUser):
    """Writes longer texts, rewrites drafts."""

    wait_time = between(0.5, 2.0)

    @task(3)
    def post(self) -> None:
        body = {"topic": self.topics.topic(), "length": "short"}
        self.ask("post", "/api/v1/posts", body)

    @task(1)
    def rewrite(self) -> None:
        body = {"draft": f"We open a {self.topics.topic()}. Come and see.", "length": "short"}
        self.ask("post from a draft", "/api/v1/posts", body)

    @task(1)
    def posts(self) -> None:
        items = [{"topic": self.topics.topic(), "length": "short"} for _ in range(3)]
        self.ask("posts, batch of 3", "/api/v1/posts/batch", {"items": items})
