"""How many tokens a request will take, before anybody has counted them.

No tokenizer: the estimate only has to keep the bucket near the truth until the real usage settles
it, and a tokenizer would be the heaviest dependency of all.
"""

from __future__ import annotations

__all__ = ["TokenEstimate"]

#: Bytes of UTF-8 a token; English prose has about 4, which over-estimates code and JSON a little.
BYTES_A_TOKEN = 4.0

#: Weight of a new reading in the moving mean of output tokens.
WEIGHT = 0.1

#: The output expected of the very first answer.
FIRST_GUESS = 256.0


class TokenEstimate:
    __slots__ = ("output",)

    def __init__(self) -> None:
        self.output = FIRST_GUESS

    def of(self, body_bytes: int, max_tokens: int | None, choices: int = 1) -> float:
        """Tokens of a request with a body of `body_bytes` and `choices` answers."""
        output = self.output if max_tokens is None else max_tokens
        return body_bytes / BYTES_A_TOKEN + output * choices

    def learn(self, completion_tokens: int, choices: int = 1) -> None:
        """An answer's real output, as the server counted it."""
        self.output += WEIGHT * (completion_tokens / choices - self.output)
