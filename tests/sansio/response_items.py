"""Items of a response as they come: what is known of them, and what is not."""

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "phase": "final_answer",
    "content": [
        {
            "type": "output_text",
            "text": "Hi",
            "annotations": [{"type": "url_citation", "url": "http://a", "start_index": 0}],
            "logprobs": [{"token": "Hi", "logprob": -0.1}],
        },
        {"type": "refusal", "refusal": "no"},
        {"type": "hologram", "depth": {"m": 3}},
    ],
    "sent_back": {"as": ["it", {"is": None}]},
}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "look",
    "arguments": "{}",
    "async": True,
}
REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "so"}],
    "encrypted_content": None,
}
SEARCH = {"type": "web_search_call", "id": "ws_1", "action": {"queries": [{"q": "a"}]}}
