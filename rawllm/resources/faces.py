"""`with_raw_response` and `with_streaming_response`, as attributes: of a resource, of what holds
resources, and of the client.

Makes no responses; raw.py does, and loads with the first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

if TYPE_CHECKING:
    from .raw import WithRawResponse, WithStreamingResponse

__all__ = ["HoldsFaces", "OfResources", "RawFaces"]

T = TypeVar("T")


class RawFaces(Generic[T]):
    """A resource whose methods also give their responses. T: what its `create` answers."""

    #: The methods that do.
    _methods: ClassVar[tuple[str, ...]] = ("create",)

    @property
    def with_raw_response(self) -> WithRawResponse[T]:
        """The same methods, each giving a `RawResponse`."""
        from .raw import WithRawResponse

        return WithRawResponse(self, *self._methods)

    @property
    def with_streaming_response(self) -> WithStreamingResponse[T]:
        """The same methods, each giving a `ResponseManager`: `async with` it."""
        from .raw import WithStreamingResponse

        return WithStreamingResponse(self, *self._methods)


class HoldsFaces:
    """A client, or what holds resources: gives the faces of those below it."""

    @property
    def with_raw_response(self) -> OfResources:
        """The same resources, whose methods give the response beside the answer:
        `client.with_raw_response.chat.completions.create(…)`."""
        return OfResources(self, "with_raw_response")

    @property
    def with_streaming_response(self) -> OfResources:
        """The same resources, whose methods give a response that is unread:
        `client.with_streaming_response.chat.completions.create(…)`."""
        return OfResources(self, "with_streaming_response")


class OfResources:
    """One face of each resource of `owner`."""

    def __init__(self, owner: Any, face: str) -> None:
        self._owner = owner
        self._face = face

    def __getattr__(self, name: str) -> Any:
        # Not of a face itself, which would have one, and so on without end.
        if not name.startswith(("_", "with_")):
            resource = getattr(self._owner, name, None)
            if hasattr(resource, self._face):
                return getattr(resource, self._face)
        raise AttributeError(f"{type(self._owner).__name__} has no resource {name!r}")
