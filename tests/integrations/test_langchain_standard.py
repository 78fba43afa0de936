"""langchain-tests, the suites that every LangChain integration is held to, whole.

Skipped: `test_serdes` (core's allow-list of classes to load holds its partners alone),
`test_{pdf,audio,image}_inputs` and `test_{image,pdf}_tool_message` (they fetch their files from the
internet; an inline image is in test_langchain.py), `test_stream_time` (wants recorded cassettes).
"""

import pytest

pytest.importorskip("langchain_core")
pytest.importorskip("langchain_tests")

from integrations.scripted import answer
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests, EmbeddingsUnitTests

from rawllm.integrations.langchain import ChatRawLLM, RawLLMEmbeddings

#: `stream_events`, which LangChain still calls a beta.
pytestmark = pytest.mark.filterwarnings("ignore:.* is in beta")

NOWHERE = {"model": "fake", "base_url": "http://localhost:8000/v1"}
FROM_ENV = {"OPENAI_API_KEY": "of-the-environment"}, NOWHERE, {"api_key": "of-the-environment"}

DETAILED = {
    "prompt_tokens": 20,
    "completion_tokens": 10,
    "total_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 16},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
DETAILS = {way: ["reasoning_output", "cache_read_input"] for way in ("invoke", "stream")}


class TestChatRawLLMUnit(ChatModelUnitTests):
    chat_model_class = ChatRawLLM
    chat_model_params = NOWHERE
    init_from_env_params = FROM_ENV


class TestChatRawLLM(ChatModelIntegrationTests):
    chat_model_class = ChatRawLLM
    supports_json_mode = True
    supports_anthropic_inputs = True
    model_override_value = "another"
    supported_usage_metadata_details = DETAILS

    @pytest.fixture(autouse=True)
    def _scripted(self, fake_server):
        fake_server.handler = answer
        self.server = fake_server

    @property
    def chat_model_params(self):
        return {"model": "fake", "base_url": self.server.url}

    def invoke_with_reasoning_output(self, *, stream=False):
        self.server.reply("Four.", reasoning="Two and two", usage=DETAILED)
        model = ChatRawLLM(**self.chat_model_params)
        if not stream:
            return model.invoke("2 + 2?")
        first, *rest = model.stream("2 + 2?")
        return sum(rest, first)

    invoke_with_cache_read_input = invoke_with_reasoning_output


class TestRawLLMEmbeddingsUnit(EmbeddingsUnitTests):
    embeddings_class = RawLLMEmbeddings
    embedding_model_params = NOWHERE
    init_from_env_params = FROM_ENV


class TestRawLLMEmbeddings(EmbeddingsIntegrationTests):
    embeddings_class = RawLLMEmbeddings

    @pytest.fixture(autouse=True)
    def _server(self, fake_server):
        self.server = fake_server

    @property
    def embedding_model_params(self):
        return {"model": "fake", "base_url": self.server.url}
