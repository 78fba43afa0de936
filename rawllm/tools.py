"""Python functions as tools: what is sent for them, and the loop that calls them.

Takes a callable that asks the model and knows no client. What goes wrong in a tool, or in the
model's way of calling it, goes back to the model as text: it can try again, and often does.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import msgspec

from .arguments import check_count
from .errors import ConfigurationError, ToolRoundsExceeded
from .hooks import logger
from .options import NotGiven
from .sansio.schema import Form, Unfit, form_of
from .sansio.signature import Signature, result_text
from .sansio.types import ChatCompletion, ToolCall

if TYPE_CHECKING:
    from .types.chat import ChatCompletionFunctionToolParam

__all__ = ["Tool", "ToolRun", "pydantic_function_tool", "readers", "run", "tool_params"]


class Tool:
    """A function that a model may call, read once: `tools=[Tool(f)]` in many calls costs less than
    `tools=[f]`.

    function: sync or async. Its name, docstring and annotations tell the model what it does and
        takes. One that is not async runs in a thread.

    name: str. param: dict, the element of the request's `tools`. Raises ConfigurationError where
    a parameter has no annotation, or one that JSON cannot be.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._signature = Signature(function)
        self.name = self._signature.name
        self.param = self._signature.param

    def arguments(self, text: str) -> dict[str, Any]:
        """The arguments that a model wrote (a str of JSON), each as its annotation says. Raises
        ValueError."""
        return self._signature.arguments(text)

    async def call(self, text: str) -> str:
        """Call the function with the arguments that a model wrote, and give what it returns as
        text: a str as it is, everything else as JSON."""
        arguments = self.arguments(text)
        if inspect.iscoroutinefunction(self._function):
            result = await self._function(**arguments)
        else:
            result = await asyncio.to_thread(self._function, **arguments)
            if inspect.isawaitable(result):  # of a decorated async function
                result = await result
        return result_text(result)

    def __repr__(self) -> str:
        return f"Tool({self.name})"


class ToolRun(msgspec.Struct, kw_only=True):
    """How a conversation with tools ended.

    completion: ChatCompletion, the last answer, which calls no tool. messages: list of dicts, the
        whole conversation, to go on with. rounds: int, answers that the model was asked for.
    """

    completion: ChatCompletion
    messages: list[Any]
    rounds: int

    @property
    def text(self) -> str:
        """The last answer's text."""
        return self.completion.text


class _TypedFunction(dict[str, Any]):
    """What is sent for a type, with the way back to it."""

    form: Form


def pydantic_function_tool(
    model: Any, *, name: str | None = None, description: str | None = None
) -> ChatCompletionFunctionToolParam:
    """openai-python's helper: a tool whose arguments `parse` and `stream` of chat.completions give
    as an object of `model`, in `parsed_arguments`.

    model: a pydantic model or any other type that `response_type=` takes.
    """
    form = form_of(model)
    if description is None:
        description = model.__doc__
    function = _TypedFunction(
        name=name or form.name,
        strict=form.response_format["json_schema"]["strict"],
        parameters=form.schema,
        **({"description": description} if description else {}),
    )
    function.form = form
    return cast("ChatCompletionFunctionToolParam", {"type": "function", "function": function})


def _listed(tools: Any) -> list[Any]:
    if tools is None or type(tools).__name__ in ("NotGiven", "Omit"):
        return []
    if not isinstance(tools, Iterable) or isinstance(tools, (str, Mapping)):
        raise ConfigurationError(
            f"tools= takes a list of functions or dicts, not {type(tools).__name__}"
        )
    return [Tool(tool) if callable(tool) else tool for tool in tools]


def tool_params(tools: Any) -> Any:
    """`tools=` as the request takes it: functions become dicts, dicts stay as they are."""
    if tools is None or isinstance(tools, NotGiven) or type(tools).__name__ == "Omit":
        return tools
    return [tool.param if isinstance(tool, Tool) else tool for tool in _listed(tools)]


def readers(tools: Any) -> dict[str, Callable[[str], Any]]:
    """Name → what reads the arguments of its calls (text → value; raises ValueError). Dicts have
    one where they are strict, as in openai-python."""
    found: dict[str, Callable[[str], Any]] = {}
    for tool in _listed(tools):
        if isinstance(tool, Tool):
            found[tool.name] = tool.arguments
        elif isinstance(tool, Mapping) and isinstance(tool.get("function"), Mapping):
            function = tool["function"]
            if isinstance(function, _TypedFunction):
                found[str(function.get("name"))] = function.form.read
            elif function.get("strict"):
                found[str(function.get("name"))] = msgspec.json.decode
    return found


async def run(
    ask: Callable[[list[Any], list[Any]], Awaitable[ChatCompletion]],
    messages: list[Any],
    tools: Any,
    max_rounds: int,
) -> ToolRun:
    """Ask, call what the model calls, all of one answer at once, tell it what came of it, ask
    again. ask: (messages, tools as the request takes them) → answer.

    Raises ToolRoundsExceeded, and what `ask` raises.
    """
    check_count("max_rounds", max_rounds)
    known = {}
    for tool in _listed(tools):
        if not isinstance(tool, Tool):
            raise ConfigurationError(
                "run_tools calls Python functions; for tools that are dicts call them yourself, "
                "after complete(…, tools=…)"
            )
        if tool.name in known:
            raise ConfigurationError(f"two tools have the name {tool.name!r}")
        known[tool.name] = tool
    if not known:
        raise ConfigurationError("run_tools needs tools=[function, …]")
    params = [tool.param for tool in known.values()]
    messages = list(messages)
    for rounds in range(1, max_rounds + 1):
        completion = await ask(messages, params)
        message = completion.choices[0].message
        calls = message.tool_calls or []
        for number, call in enumerate(calls):
            # Some servers give none, and a result must say whose it is.
            call.id = call.id or f"call_{rounds}_{number}"
        messages.append(message.to_param())
        if not calls:
            return ToolRun(completion=completion, messages=messages, rounds=rounds)
        if rounds == max_rounds:
            break  # not called: nobody would be told what came of it
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_answer(known, call)) for call in calls]
        messages += [
            {"role": "tool", "tool_call_id": call.id, "content": task.result()}
            for call, task in zip(calls, tasks, strict=True)
        ]
    raise ToolRoundsExceeded(
        f"the model still calls tools after max_rounds={max_rounds} answers",
        messages=messages,
        completion=completion,
    )


async def _answer(known: dict[str, Tool], call: ToolCall) -> str:
    """What the model is told of one call."""
    tool = known.get(call.function.name)
    if tool is None:
        return f"Error: there is no tool {call.function.name!r}. There are: {', '.join(known)}"
    try:
        return await tool.call(call.function.arguments)
    except Unfit as unfit:
        return f"Error: {unfit}. Call it again with arguments that fit its schema"
    except Exception as error:
        logger.debug("the tool %s raised", tool.name, exc_info=True)
        return f"Error: {type(error).__name__}: {error}"
