"""The same without await: the synchronous client."""

import threading

import openai
from openai import OpenAI
from pydantic import BaseModel

HI = [{"role": "user", "content": "hi"}]


class Point(BaseModel):
    x: int
    y: int


def plain(server):
    client = OpenAI()
    answer = client.chat.completions.create(model="m", messages=HI)
    print("content:", answer.choices[0].message.content)
    print("usage:", answer.usage.total_tokens)
    client.close()


def plain_stream(server):
    server.reply("It is sunny.")
    client = OpenAI()
    stream = client.chat.completions.create(model="m", messages=HI, stream=True)
    print("kind:", isinstance(stream, openai.Stream))
    for chunk in stream:
        print("content:", chunk.choices[0].delta.content, chunk.choices[0].finish_reason)
    client.close()


def plain_stream_in_with(server):
    server.reply("It is sunny.")
    with OpenAI() as client:
        with client.chat.completions.create(model="m", messages=HI, stream=True) as stream:
            print("status:", stream.response.status_code)
            print("first:", next(stream).choices[0].delta.role)
            print("rest:", [chunk.choices[0].delta.content for chunk in stream])


def plain_stream_left_early(server):
    server.stream(["It ", "is ", 30, "sunny."])
    with OpenAI() as client:
        stream = client.chat.completions.create(model="m", messages=HI, stream=True)
        for chunk in stream:
            print("content:", chunk.choices[0].delta.content)
            break
        stream.close()
        server.wait(lambda: server.aborted == 1)
        answer = client.chat.completions.create(model="m", messages=HI)
        print("again:", answer.choices[0].message.content)


def plain_parse(server):
    server.reply('{"x": 1, "y": 2}')
    with OpenAI() as client:
        answer = client.chat.completions.parse(model="m", messages=HI, response_format=Point)
    print("parsed:", repr(answer.choices[0].message.parsed))


def plain_events(server):
    server.reply(tokens=['{"x": 1,', ' "y": 2}'])
    with OpenAI() as client:
        with client.chat.completions.stream(
            model="m", messages=HI, response_format=Point
        ) as stream:
            for event in stream:
                print("event:", event.type)
                if event.type == "content.delta":
                    print("parsed:", event.parsed)
        print("final:", repr(stream.get_final_completion().choices[0].message.parsed))


def plain_tool_loop(server):
    server.reply(tool_calls=[{"name": "time", "arguments": {}, "id": "call_t"}])
    server.reply("Noon.")
    tool = {"type": "function", "function": {"name": "time", "parameters": {"type": "object"}}}
    messages = list(HI)
    with OpenAI() as client:
        said = client.chat.completions.create(model="m", messages=messages, tools=[tool])
        messages.append(said.choices[0].message)
        messages.append({"role": "tool", "tool_call_id": "call_t", "content": "12:00"})
        said = client.chat.completions.create(model="m", messages=messages, tools=[tool])
    print("content:", said.choices[0].message.content)


def plain_errors_and_retries(server):
    with OpenAI(max_retries=1) as client:
        server.fail(500, headers={"retry-after-ms": "5"})
        answer = client.chat.completions.create(model="m", messages=HI)
        print("content:", answer.choices[0].message.content)
        server.fail(404)
        try:
            client.chat.completions.create(model="m", messages=HI)
        except openai.NotFoundError as error:
            print("error:", error.status_code)
        patient = client.with_options(timeout=5, max_retries=0)
        answer = patient.chat.completions.create(model="m", messages=HI)
        print("in time:", answer.choices[0].message.content)
        server.reply("late", first_delay=5)
        try:
            client.with_options(timeout=0.3, max_retries=0).chat.completions.create(
                model="m", messages=HI
            )
        except openai.APITimeoutError:
            print("slow: APITimeoutError")


def plain_embeddings_and_models(server):
    server.models = ("a", "b")
    with OpenAI() as client:
        answer = client.embeddings.create(model="e", input="one", encoding_format="float")
        print("vector:", answer.data[0].embedding[:2])
        print("models:", [model.id for model in client.models.list()])
        page = client.models.list()
        print("pages:", [[model.id for model in one.data] for one in page.iter_pages()])
        text = client.completions.create(model="m", prompt="It is", stream=True)
        print("text:", [chunk.choices[0].text for chunk in text])


def plain_raw_response(server):
    server.reply("It is sunny.")
    with OpenAI() as client:
        raw = client.chat.completions.with_raw_response.create(model="m", messages=HI)
        print("raw:", raw.status_code, raw.parse().choices[0].message.content)
        streaming = client.chat.completions.with_streaming_response
        with streaming.create(model="m", messages=HI, stream=True) as response:
            print("type:", response.headers["content-type"])
            for line in response.iter_lines():
                print("line:", line)


def plain_in_threads(server):
    found = {}
    with OpenAI() as client:

        def ask(number):
            messages = [{"role": "user", "content": f"number {number}"}]
            answer = client.chat.completions.create(model="m", messages=messages)
            found[number] = answer.choices[0].message.content

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number in sorted(found):
        print("content:", found[number])
    server.requests.clear()  # in whatever order they came


def plain_options(server):
    with OpenAI(organization="org-p", project="proj-p", default_headers={"X-A": "1"}) as client:
        client.chat.completions.create(
            model="m",
            messages=HI,
            extra_headers={"X-B": "2"},
            extra_query={"q": "1"},
            extra_body={"top_k": 1},
        )
        other = client.with_options(max_retries=9, api_key="sk-p")
        print("retries:", client.max_retries, other.max_retries)
        print("keys:", client.api_key, other.api_key)
        print("ids:", client.organization, client.project)
        print("url:", client.base_url)
        print("closed:", client.is_closed())
    print("closed:", client.is_closed())


def plain_key_from_a_function(server):
    with OpenAI(api_key=lambda: "sk-called") as client:
        client.chat.completions.create(model="m", messages=HI)
    print("requests:", server.attempts)
