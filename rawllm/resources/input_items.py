"""`client.responses.input_items`: what a stored response was asked with."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any

from ..errors import ConfigurationError
from ..options import NOT_GIVEN, hide
from ..requester import Requester
from ..sansio.encode import without_not_given
from ..sansio.responses import ResponseItemList
from .faces import RawFaces

__all__ = ["PATH", "InputItems", "ItemPages", "asking", "path_of"]

PATH = "/responses"


class InputItems(RawFaces[Any]):
    """`client.responses.input_items`"""

    _methods = ("list",)

    def __init__(self, client: Requester) -> None:
        self._client = client

    def list(
        self,
        response_id: str,
        *,
        after: Any = NOT_GIVEN,
        include: Any = NOT_GIVEN,
        limit: Any = NOT_GIVEN,
        order: Any = NOT_GIVEN,
        **options: Any,
    ) -> ItemPages:
        """GET /responses/{response_id}/input_items: `await` a page, or `async for` over all items.

        after: str, id of the item before the first. limit: int, items a page. order: "asc" or
        "desc". include: list of str. options: timeout, extra_headers, extra_query.
        """
        hide(options)
        path = f"{path_of('input_items.list', response_id)}/input_items"

        async def listed(after: Any) -> ResponseItemList:
            asked = {"after": after, "include[]": include, "limit": limit, "order": order}
            page = await self._client._request(
                "GET", path, None, ResponseItemList, **asking(dict(options), asked)
            )
            page._turn = following
            return page

        def following(page: ResponseItemList) -> Coroutine[Any, Any, ResponseItemList]:
            return listed(page.last_id or page.data[-1].id)

        return ItemPages(lambda: listed(after))


class ItemPages:
    """A list of items that is asked for and not yet sent: `await` its first page, or `async for`
    over the items of all."""

    def __init__(self, listed: Callable[[], Coroutine[Any, Any, ResponseItemList]]) -> None:
        self._listed = listed

    def __await__(self) -> Generator[Any, None, ResponseItemList]:
        return self._listed().__await__()

    async def __aiter__(self) -> Any:
        async for item in await self:
            yield item


def path_of(method: str, response_id: str) -> str:
    if not isinstance(response_id, str) or not response_id:
        raise ConfigurationError(f"responses.{method}() needs the response's id")
    if "/" in response_id or response_id in (".", ".."):
        raise ConfigurationError(f"responses.{method}(): an id has no slashes, and is no dots")
    return f"{PATH}/{response_id}"


def asking(options: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """The options with what is asked for in the query."""
    given = without_not_given(asked)
    if given:
        options["extra_query"] = {**given, **(options.get("extra_query") or {})}
    return options
