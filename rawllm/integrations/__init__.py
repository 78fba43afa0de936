"""rawllm inside other libraries, one module each. Nothing else of ours imports them."""
