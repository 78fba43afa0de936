from rawllm.sansio.rung import OBJECT, SCHEMA, WORDS, Rung


def test_what_was_learned_of_a_server_is_not_unlearned():
    rung = Rung()
    assert rung.value == SCHEMA
    rung.learn(WORDS)
    rung.learn(OBJECT)  # by a call that was under way
    assert rung.value == WORDS
