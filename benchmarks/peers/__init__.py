"""What a call and a streamed event cost rawllm, the plain aiohttp loop and other clients."""
