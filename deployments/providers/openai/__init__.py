"""OpenAI's wire format, which vLLM, SGLang, Ollama, Azure, OpenRouter and others speak too."""
