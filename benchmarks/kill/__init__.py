"""Runs of `rawllm batch` that are killed, starved and disturbed: is anything lost?"""
