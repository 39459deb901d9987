"""The clients that are run unmodified, with the packages of each.

One entry a client: its name, its script in scripts/ or node/, and the packages of its environment.
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

    @property
    def path(self) -> Path:
        return FOLDER / self.script

    @property
    def runs_in_node(self) -> bool:
        return self.script.startswith("node/")


CLIENTS = (
    ClientPackage("openai (Python)", "scripts/openai_python.py", ["openai==3.57.0"]),
    ClientPackage("anthropic (Python)", "scripts/anthropic_python.py", ["anthropic==2.14.0"]),
    ClientPackage("langchain", "scripts/langchain_openai_client.py", ["langchain-openai==1.7.4"]),
    ClientPackage(
        "langchain's OpenAIWhisperParser",
        "scripts/langchain_audio_client.py",
        [
            *("langchain-community==0.4.2", "openai==3.57.0"),
            *("pydub==0.25.1", "imageio-ffmpeg==0.8.1"),  # it writes MP3
        ],
    ),
    ClientPackage(
        "llama-index", "scripts/llama_index_client.py", ["llama-index-llms-openai-like==0.8.1"]
    ),
    ClientPackage(
        "pydantic-ai", "scripts/pydantic_ai_client.py", ["pydantic-ai-slim[openai]==2.68.0"]
    ),
    ClientPackage("instructor", "scripts/instructor_client.py", ["instructor==1.17.0"]),
    ClientPackage("litellm", "scripts/litellm_client.py", ["litellm==1.110.2"]),
    ClientPackage("openai-agents", "scripts/openai_agents_client.py", ["openai-agents==0.24.0"]),
    ClientPackage("llm", "scripts/llm_client.py", ["llm==0.36"]),
    ClientPackage("dspy", "scripts/dspy_client.py", ["dspy==3.4.1"]),
    ClientPackage("haystack", "scripts/haystack_client.py", ["haystack-ai==3.4.1"]),
    ClientPackage("autogen", "scripts/autogen_client.py", ["autogen-ext[openai]==0.7.5"]),
    ClientPackage(
        "semantic-kernel", "scripts/semantic_kernel_client.py", ["semantic-kernel==1.45.0"]
    ),
    ClientPackage("smolagents", "scripts/smolagents_client.py", ["smolagents[openai]==1.26.0"]),
    ClientPackage(
        "lm-eval",
        "scripts/lm_eval_client.py",
        ["lm-eval[api]==0.4.13", "transformers==5.20.2"],  # reads nano's tokenizer
    ),
    ClientPackage("guidance", "scripts/guidance_client.py", ["guidance==0.3.1", "openai==3.57.0"]),
    ClientPackage("aiperf", "scripts/aiperf_client.py", ["aiperf==0.13.0"]),
    ClientPackage("openai (Node)", "node/openai_node.mjs", ["openai@6.49.0"]),
    ClientPackage("anthropic (Node)", "node/anthropic_node.mjs", ["@anthropic-ai/sdk@1.14.0"]),
    ClientPackage(
        "Vercel AI SDK",
        "node/ai_sdk.mjs",
        ["ai@6.0.326", "@ai-sdk/openai@3.0.141", "@ai-sdk/openai-compatible@2.0.92"],
    ),
)
