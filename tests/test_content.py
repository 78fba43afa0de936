"""Images, audio and files as parts of a message."""

import base64
import tracemalloc

import pytest

import rawllm
from rawllm import ConfigurationError
from rawllm.content import MAX_BYTES

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
WAV = b"RIFF\x24\0\0\0WAVEfmt "
PDF = b"%PDF-1.7\n"


def data_url(kind, data):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (b"GIF89a\x01\0", "image/gif"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
        (b"BM\x46\0\0\0\0\0\0\0\x36\0", "image/bmp"),
    ],
)
def test_an_image_is_known_by_its_beginning(data, kind, tmp_path):
    path = tmp_path / "no.suffix"
    path.write_bytes(data)
    part = {"type": "image_url", "image_url": {"url": data_url(kind, data)}}
    for source in (data, bytearray(data), memoryview(data), path, str(path)):
        assert rawllm.image(source) == part


@pytest.mark.parametrize("url", ["https://llm.test/a.png", "http://a/b", "data:image/png;base64,"])
def test_a_url_is_passed_on(url):
    assert rawllm.image(url, detail="low")["image_url"] == {"url": url, "detail": "low"}


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (WAV, "wav"),
        (b"ID3\x04rest", "mp3"),
        (b"\xff\xfb\x90\x64", "mp3"),
        (b"\xff\xf3\x90\x64", "mp3"),
        (b"fLaC\0", "flac"),
        (b"OggS\0", "ogg"),
        (b"\0\0\0\x20ftypM4A ", "m4a"),
    ],
)
def test_audio_says_its_format(data, form):
    sound = {"data": base64.b64encode(data).decode(), "format": form}
    assert rawllm.audio(data) == {"type": "input_audio", "input_audio": sound}


@pytest.mark.parametrize(
    ("name", "given", "data", "kind"),
    [
        ("a.pdf", None, PDF, "application/pdf"),
        ("a", None, PDF, "application/pdf"),
        ("a.txt", None, b"ID3 is a format of tags", "text/plain"),
        ("a", "b.csv", b"1,2", "text/csv"),
        ("a", None, b"\0\1", "application/octet-stream"),
    ],
)
def test_a_file_has_a_name_and_a_type(name, given, data, kind, tmp_path):
    (tmp_path / name).write_bytes(data)
    part = rawllm.file(tmp_path / name, filename=given)
    told = {"filename": given or name, "file_data": data_url(kind, data)}
    assert part == {"type": "file", "file": told}
    assert rawllm.file(data, filename=given or name) == part


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: rawllm.image(b"GIF"), "what image(…) was given is no image"),
        (lambda path: rawllm.image(WAV), "no image"),
        (lambda path: rawllm.image(b""), "is empty"),
        (lambda path: rawllm.image(path / "none.png"), "cannot be read: No such file"),
        (lambda path: rawllm.image(path), "cannot be read: Is a directory"),
        (lambda path: rawllm.image("a\0b"), "cannot be read"),
        (lambda path: rawllm.image(PNG, max_bytes=5), "more than 5 bytes"),
        (lambda path: rawllm.image(5), "not int"),
        (lambda path: rawllm.image(PNG, detail="lots"), "'low', 'high' or 'auto'"),
        (lambda path: rawllm.audio(PNG), "no audio"),
        (lambda path: rawllm.audio("https://a/b.wav"), "takes no URL"),
        (lambda path: rawllm.file("https://a/b.pdf"), "takes no URL"),
        (lambda path: rawllm.file(PDF), "needs a name"),
        (lambda path: rawllm.file(None), "not NoneType"),
    ],
)
def test_what_no_server_takes_is_refused(make, said, tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        make(tmp_path)
    assert said in str(caught.value)


def test_a_file_over_the_limit_is_not_read_whole(tmp_path):
    path = tmp_path / "big"
    path.touch()
    with path.open("r+b") as sparse:
        sparse.truncate(MAX_BYTES + 1)
    with pytest.raises(ConfigurationError, match="max_bytes="):
        rawllm.image(path)
    tracemalloc.start()
    with pytest.raises(ConfigurationError, match="more than 1000 bytes"):
        rawllm.image(path, max_bytes=1000)
    assert tracemalloc.get_traced_memory()[1] < MAX_BYTES / 2
    tracemalloc.stop()
    path.write_bytes(PNG)
    assert rawllm.image(path, max_bytes=len(PNG))


async def test_parts_are_sent_as_they_are(server):
    content = [
        {"type": "text", "text": "What is this?"},
        rawllm.image(PNG),
        rawllm.audio(WAV),
        rawllm.file(PDF, filename="a.pdf"),
    ]
    async with rawllm.Client(server.url, model="m") as llm:
        await llm.complete([{"role": "user", "content": content}])
    assert server.requests[0].json["messages"][0]["content"] == content
