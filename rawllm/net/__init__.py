"""The network: the only importers of aiohttp and backoff. Decisions come from sansio."""
