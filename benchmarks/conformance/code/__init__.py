"""Programs written for openai, each a function of the server that it scripts.

A line is `what: value`; player.py changes the name in the imports and nothing else.
"""
