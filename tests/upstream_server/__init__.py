"""A provider that can be told to misbehave: OpenAI's and Anthropic's APIs on a raw socket."""
