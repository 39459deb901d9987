"""OpenAI's vector stores over collections and documents."""
