"""rawllm beside openai-python: what they make of real servers' quirks, and of the same code."""
