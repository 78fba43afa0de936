"""Decisions without I/O: bytes, numbers and plain values in, plain values out.

Knows no asyncio, aiohttp, clock, environment or file; `now` and randomness come in as arguments.
"""
