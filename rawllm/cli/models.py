"""`rawllm models`: the ids that an endpoint serves, one a line.

Sorts and filters nothing.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from .common import add_endpoint_options, endpoint

if TYPE_CHECKING:
    from .. import Client


def add_parser(subparsers: Any) -> None:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "models",
        help="list the models of an endpoint",
        description="List the ids of an endpoint's models, one a line.",
    )
    parser.add_argument("--json", action="store_true", help="the whole list as one JSON line")
    add_endpoint_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import asyncio  # here: it is half of what `rawllm --version` would cost

    with endpoint(args) as client:
        asyncio.run(_list(client, args.json))
    return 0


async def _list(client: Client, as_json: bool) -> None:
    async with client:
        page = await client.models.list()
    if as_json:
        print(page.model_dump_json())
        return
    for model in page.data:
        print(model.id)
