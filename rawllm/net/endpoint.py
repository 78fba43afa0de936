"""What all calls to one base URL share: connections, limits, pace, retry budget, lessons learned.

Sends nothing and decides nothing.
"""

from __future__ import annotations

import asyncio
import weakref

from yarl import URL

from ..errors import RawLLMError
from ..options import Limits, Retry
from ..sansio.bucket import TokenBucket
from ..sansio.estimate import TokenEstimate
from ..sansio.failures import PROCESSED
from ..sansio.level import Level
from ..sansio.manners import StreamManners
from ..sansio.pace import Pace
from ..sansio.retry import Budget
from ..sansio.rung import Rung
from .limiter import Limiter
from .session import Sessions
from .transport import Transport

__all__ = ["Endpoint", "Lookup", "default_concurrency"]


def default_concurrency() -> int:
    """min(256, the open-file limit − 64)."""
    try:
        import resource  # not on Windows
    except ImportError:
        return 256
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 256
    return max(1, min(256, soft - 64))


class Lookup:
    """Of one event loop: who asks the server for its only model, and what came of it last."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.failures = 0
        self.error: RawLLMError | None = None


class Endpoint:
    """What all calls to one base URL share: connections, limits, pace, retry budget, and what was
    learned of the server."""

    def __init__(
        self,
        base_url: URL,
        *,
        sessions: Sessions,
        limits: Limits,
        retry: Retry,
        proxy: str | None,
    ) -> None:
        self.base_url = base_url
        self.label = str(base_url.with_user(None).with_query(None))
        self.sessions = sessions
        self.limits = limits
        self.pace = Pace(base=retry.base, cap=retry.cap, longest=retry.max_retry_after)
        self.budget = Budget(retry.budget)
        self.estimate = TokenEstimate()
        self.transport = Transport(sessions, proxy=proxy, manners=StreamManners())
        # Learned of the server:
        self.refuses_stream_options = False
        self.rung = Rung()
        self.only_model: str | None = None
        self.lookups: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Lookup] = (
            weakref.WeakKeyDictionary()
        )
        self.requests, self.tokens = _buckets(limits)
        wanted = default_concurrency()
        if isinstance(limits.concurrency, int):
            wanted = limits.concurrency
        # A user's own connector may have a queue of its own, in which aiohttp's connect timeout
        # runs: what would wait there had better wait here.
        self.concurrency = min(wanted, sessions.room or wanted)
        self.outlive(retry)
        self._limiters: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Limiter] = (
            weakref.WeakKeyDictionary()
        )
        if limits.concurrency == "auto":
            self.adapt()

    def outlive(self, retry: Retry) -> None:
        """Who sits out a server's death must be able to send again all that it took along, and to
        wait for as long as it says."""
        if retry.max_outage:
            self.pace.longest = max(self.pace.longest, retry.max_outage)
            self.budget.widen(PROCESSED * self.concurrency)

    def limiter(self) -> Limiter:
        """The running loop's."""
        loop = asyncio.get_running_loop()
        limiter = self._limiters.get(loop)
        if limiter is None:
            # A limiter holds its loop, which the weak key then cannot let go of.
            for old in [known for known in self._limiters if known.is_closed()]:
                del self._limiters[old]
            limiter = self._limiters[loop] = Limiter(
                concurrency=self.concurrency,
                requests=self.requests,
                tokens=self.tokens,
                pace=self.pace,
                loop=loop,
            )
            limiter.adapt()
        return limiter

    def adapt(self) -> None:
        """From now on find out how many may be in flight, up to the present `concurrency`."""
        if self.pace.level is None:
            self.pace.level = Level(self.concurrency)
            for limiter in self._limiters.values():
                limiter.adapt()


def _buckets(limits: Limits) -> tuple[TokenBucket | None, TokenBucket | None]:
    """For requests and for tokens. `burst` is said in requests; the token bucket's is as many
    seconds' worth."""
    requests = tokens = None
    seconds = 1.0
    if limits.requests_per_minute is not None:
        rate = limits.requests_per_minute / 60.0
        requests = TokenBucket(rate, limits.burst or max(1.0, rate))
        seconds = requests.burst / rate
    if limits.tokens_per_minute is not None:
        rate = limits.tokens_per_minute / 60.0
        tokens = TokenBucket(rate, max(1.0, rate * seconds))
    return requests, tokens
