"""The clients that are run unmodified, with the packages of each.

One line a client: its name, its script in scripts/ or node/, the packages of its environment, and
whether it runs by default (the others run with `./mobula test --all`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class ClientPackage:
    """One client. `packages` are requirements of pip, or of npm for a script in node/."""

    name: str
    script: str
    packages: Sequence[str]
    by_default: bool = False

    @property
    def path(self) -> Path:
        return FOLDER / self.script

    @property
    def runs_in_node(self) -> bool:
        return self.script.startswith("node/")


CLIENTS = (
    ClientPackage("openai (Python)", "scripts/openai_python.py", ["openai==3.52.0"], True),
    ClientPackage("anthropic (Python)", "scripts/anthropic_python.py", ["anthropic"], True),
    ClientPackage("langchain", "scripts/langchain_openai_client.py", ["langchain-openai"]),
    ClientPackage("llama-index", "scripts/llama_index_client.py", ["llama-index-llms-openai-like"]),
    ClientPackage("pydantic-ai", "scripts/pydantic_ai_client.py", ["pydantic-ai-slim[openai]"]),
    ClientPackage("instructor", "scripts/instructor_client.py", ["instructor"]),
    ClientPackage("litellm", "scripts/litellm_client.py", ["litellm"]),
    ClientPackage("openai-agents", "scripts/openai_agents_client.py", ["openai-agents"]),
    ClientPackage("llm", "scripts/llm_client.py", ["llm"]),
    ClientPackage("dspy", "scripts/dspy_client.py", ["dspy"]),
    ClientPackage("haystack", "scripts/haystack_client.py", ["haystack-ai"]),
    ClientPackage("autogen", "scripts/autogen_client.py", ["autogen-ext[openai]"]),
    ClientPackage("semantic-kernel", "scripts/semantic_kernel_client.py", ["semantic-kernel"]),
    ClientPackage("smolagents", "scripts/smolagents_client.py", ["smolagents[openai]"]),
    ClientPackage("lm-eval", "scripts/lm_eval_client.py", ["lm-eval[api]"]),
    ClientPackage("guidance", "scripts/guidance_client.py", ["guidance", "openai"]),
    ClientPackage("aiperf", "scripts/aiperf_client.py", ["aiperf"]),
    ClientPackage("openai (Node)", "node/openai_node.mjs", ["openai"]),
    ClientPackage("anthropic (Node)", "node/anthropic_node.mjs", ["@anthropic-ai/sdk"]),
    ClientPackage(
        "Vercel AI SDK", "node/ai_sdk.mjs", ["ai", "@ai-sdk/openai", "@ai-sdk/openai-compatible"]
    ),
)
