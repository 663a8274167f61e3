"""The shapes of other people's protocols, over real HTTP; each is described where the server defines it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from served import NAME, NOON, LengthScorer, running

from steersman.protocols import Advance, Scored

CHATML_PROMPT = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
USER = {"role": "user", "content": "Hi"}
ANSWER = {"role": "assistant", "content": "Hello"}
# LengthScorer on "Hi", "Hello": 5 letters, 2 letters, 2 * 5 + 2
SCORES = {"length": 5.0, "prompt_length": 2.0, "reward": 12.0}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running(LengthScorer()) as server:
        yield server.url


def post(url: str, path: str, body: object) -> httpx.Response:
    return httpx.post(url + path, json=body)


def test_a_chat_completion_says_the_scores_as_nvidia_does(url: str) -> None:
    answer = post(url, "/v1/chat/completions", {"model": NAME, "messages": [USER, ANSWER], "temperature": 0.2}).json()
    [choice] = answer["choices"]
    pairs = [pair.split(":") for pair in choice["message"]["content"].split(",")]
    assert {name: float(score) for name, score in pairs} == SCORES
    assert {each["token"]: each["logprob"] for each in choice["logprobs"]["content"]} == SCORES
    assert (answer["object"], answer["model"], answer["created"]) == ("chat.completion", NAME, NOON.timestamp())


def test_the_openai_client_reads_scores_models_and_faults(url: str) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        completion = client.chat.completions.create(model=NAME, messages=[USER, ANSWER])
        assert completion.choices[0].message.content == "length:5.0,prompt_length:2.0,reward:12.0"
        assert [model.id for model in client.models.list()] == [NAME]
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(model="other", messages=[USER, ANSWER])
        assert caught.value.body["message"] == f"the model 'other' is not served here; this server has '{NAME}'"
        with pytest.raises(openai.UnprocessableEntityError, match="the last turn must be the assistant's"):
            client.chat.completions.create(model=NAME, messages=[USER])


def parts(*texts: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text} for text in texts]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/classify"])
def test_the_parts_of_a_turn_are_one_text(url: str, path: str) -> None:
    in_parts = [{**USER, "content": parts("H", "i")}, {**ANSWER, "content": parts("Hel", "lo")}]
    answers = [post(url, path, {"model": NAME, "messages": turns}) for turns in (in_parts, [USER, ANSWER])]
    assert [answer.status_code for answer in answers] == [200, 200]
    key = "data" if path == "/classify" else "choices"
    assert answers[0].json()[key] == answers[1].json()[key]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            [*parts("Hi"), {"type": "image_url", "image_url": {"url": "x"}}],
            "part 1 of the content is of type 'image_url'",
        ),
        ([{"type": "text"}], "part 0 of the content is of type 'text' and has no text"),
        (["Hi"], "part 0 of the content is of type None"),
        ([], "the content has no parts"),
        (None, "Input should be a valid string"),
    ],
)
def test_parts_that_are_no_text_are_refused_by_name(url: str, content: object, fault: str) -> None:
    answer = post(url, "/v1/chat/completions", {"model": NAME, "messages": [{**USER, "content": content}, ANSWER]})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(f"messages.0.content: {fault}")


@pytest.mark.parametrize("path", ["/classify", "/v1/classify"])
def test_a_classification_holds_raw_outputs_with_the_reward_last(url: str, path: str) -> None:
    text = CHATML_PROMPT + "Hello<|im_end|>"
    answer = post(url, path, {"model": NAME, "input": [text, text], "use_activation": False}).json()
    row = {"label": None, "probs": [5.0, 2.0, 12.0], "num_classes": 3}
    assert answer["data"] == [{"index": 0, **row}, {"index": 1, **row}]
    assert answer["names"] == ["length", "prompt_length", "reward"]
    # as verl reads it
    assert answer["data"][-1]["probs"][-1] == SCORES["reward"]
    assert answer["ignored_system_turns"] == 2


@pytest.mark.parametrize("given", [{}, {"use_activation": None}, {"use_activation": False}])
def test_a_classification_goes_through_no_activation(url: str, given: dict[str, object]) -> None:
    answer = post(url, "/classify", {"input": CHATML_PROMPT + "Hello", **given}).json()
    assert answer["data"][0]["probs"] == [5.0, 2.0, 12.0]


def test_a_classification_takes_messages_or_one_text_too(url: str) -> None:
    by_messages = post(url, "/classify", {"messages": [USER, ANSWER]}).json()["data"]
    by_text = post(url, "/classify", {"input": CHATML_PROMPT + "Hello"}).json()["data"]
    assert by_messages == by_text
    assert [row["probs"] for row in by_text] == [[5.0, 2.0, 12.0]]


def test_verl_gets_the_reward_from_the_answers_of_both_of_its_engines(url: str) -> None:
    """Requests and readings are those of `RewardLoopWorker.compute_score_disrm` in verl 0.9.1."""
    text = CHATML_PROMPT + "Hello<|im_end|>\n"
    vllm = post(url, "/classify", {"model": NAME, "input": text, "use_activation": False}).json()
    sglang = post(url, "/v1/embeddings", {"model": NAME, "input": text}).json()
    assert vllm["data"][-1]["probs"][-1] == sglang["data"][-1]["embedding"][-1] == SCORES["reward"]


def test_embeddings_hold_raw_outputs_with_the_reward_last(url: str) -> None:
    answer = post(url, "/v1/embeddings", {"input": [CHATML_PROMPT + "Hello", CHATML_PROMPT + "Hey"]}).json()
    row = {"object": "embedding"}
    assert answer["data"] == [
        {**row, "index": 0, "embedding": [5.0, 2.0, 12.0]},
        {**row, "index": 1, "embedding": [3.0, 2.0, 8.0]},
    ]
    assert (answer["object"], answer["model"], answer["ignored_system_turns"]) == ("list", NAME, 2)
    assert answer["names"] == ["length", "prompt_length", "reward"]


def test_the_openai_client_reads_the_embeddings(url: str) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        answer = client.embeddings.create(model=NAME, input=CHATML_PROMPT + "Hello")
        assert answer.data[0].embedding == [5.0, 2.0, 12.0]


def test_rewards_come_as_openrlhf_expects_them(url: str) -> None:
    queries = [CHATML_PROMPT + "Hello<|im_end|>", "Hi" + "Hey</s>"]
    body = {"query": queries, "prompts": [CHATML_PROMPT, "Hi"], "labels": ["", None]}
    assert post(url, "/get_reward", body).json() == {
        "rewards": [12.0, 8.0],
        "scores": [12.0, 8.0],
        "extra_logs": {"length": [5.0, 3.0], "prompt_length": [2.0, 2.0]},
        "ignored_system_turns": 1,
    }


def test_a_server_to_which_openrlhf_deals_no_query_answers_with_no_rewards(url: str) -> None:
    answer = post(url, "/get_reward", {"query": [], "prompts": [], "labels": []})
    assert (answer.status_code, answer.json()["rewards"]) == (200, [])


def test_openrlhf_without_prompts_or_with_a_first_mark_is_understood(url: str) -> None:
    alone = post(url, "/get_reward", {"query": [CHATML_PROMPT + "Hello<|im_end|>"]})
    marked = post(url, "/get_reward", {"query": ["<s>HiHello</s>"], "prompts": ["Hi"]})
    assert [answer.json()["rewards"] for answer in (alone, marked)] == [[12.0], [12.0]]


class ComparingScorer(LengthScorer):
    """Prefers a response by its share in the letters of its pair, rows 2k and 2k+1."""

    def _score(self, prompts: Sequence[str], responses: Sequence[str], *, advance: Advance) -> Scored:
        scored = super()._score(prompts, responses, advance=advance)
        pairs = scored.outputs[:, 0].reshape(-1, 2)
        return replace(scored, preferences=(pairs / pairs.sum(axis=1, keepdims=True)).ravel())


def test_what_a_model_that_compares_prefers_is_told_beside_its_scores() -> None:
    """Rows are sorted by prompt for the model, and come back in the order of the request."""
    pairs = [("b", "xxx"), ("b", "x"), ("a", "x"), ("a", "xxxx")]
    preferred = [3 / 4, 1 / 4, 1 / 5, 4 / 5]
    with running(ComparingScorer()) as server:
        body = {"rows": [{"prompt": prompt, "response": response} for prompt, response in pairs]}
        scores = post(server.url, "/v1/score", body).json()["scores"]
        assert [row["preferred"] for row in scores] == pytest.approx(preferred)
        queries = {"query": [prompt + response for prompt, response in pairs], "prompts": [each for each, _ in pairs]}
        logs = post(server.url, "/get_reward", queries).json()["extra_logs"]
        assert logs["preferred"] == pytest.approx(preferred)


@pytest.mark.parametrize(
    ("path", "body", "fault"),
    [
        ("/v1/chat/completions", {"model": NAME, "messages": []}, "messages.0: the last turn must be"),
        ("/v1/chat/completions", {"model": NAME, "messages": [ANSWER, ANSWER]}, "a prompt alternates"),
        ("/v1/chat/completions", {"messages": [USER, ANSWER]}, "model: Field required"),
        ("/v1/chat/completions", {"model": NAME, "messages": [USER, ANSWER], "stream": True}, "stream: "),
        ("/v1/chat/completions", {"model": NAME, "messages": [USER, ANSWER], "n": 2}, "n: "),
        ("/v1/chat/completions", {"model": NAME, "messages": [{**USER, "role": "tool"}, ANSWER]}, "got 'tool'"),
        ("/classify", {"model": NAME}, "either input"),
        ("/classify", {"input": ["x"], "messages": [USER, ANSWER]}, "either input"),
        ("/classify", {"input": []}, "nothing to score"),
        ("/classify", {"input": [CHATML_PROMPT + "x", "plain"]}, "input.1: prompt and response cannot be told apart"),
        ("/classify", {"input": CHATML_PROMPT + "x", "use_activation": True}, "send false, or leave it out"),
        (
            "/classify",
            {"input": CHATML_PROMPT + "x", "use_activation": "no"},
            "use_activation: Input should be a valid",
        ),
        ("/v1/embeddings", {"model": NAME}, "input: Field required"),
        ("/v1/embeddings", {"input": []}, "nothing to score"),
        ("/v1/embeddings", {"input": "plain"}, "input.0: prompt and response cannot be told apart"),
        ("/v1/embeddings", {"input": [1, 2]}, "input.0: Input should be a valid string"),
        ("/get_reward", {"query": ["ab"], "prompts": []}, "1 query and 0 prompts"),
        ("/get_reward", {"query": ["ab", "cd"], "prompts": ["a", "x"]}, "query.1: prompt and response cannot"),
        ("/get_reward", {"query": ["[INST] a [/INST] b"], "prompts": ["[INST] a [/INST]"]}, "begins with '[INST]'"),
    ],
)
def test_a_request_that_is_not_understood_is_told_why(url: str, path: str, body: object, fault: str) -> None:
    answer = post(url, path, body)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert fault in (error if path == "/get_reward" else error["message"])


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/classify", "/v1/embeddings"])
def test_another_model_is_not_found(url: str, path: str) -> None:
    answer = post(url, path, {"model": "other", "messages": [USER, ANSWER], "input": CHATML_PROMPT + "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, 404)


def test_the_one_model_is_listed(url: str) -> None:
    model = {"id": NAME, "object": "model", "created": NOON.timestamp(), "owned_by": "steersman"}
    assert httpx.get(f"{url}/v1/models").json() == {"object": "list", "data": [model]}


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/health/live"])
def test_a_server_at_work_is_well(url: str, path: str) -> None:
    answer = httpx.get(url + path)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_metrics_are_in_the_text_format_of_prometheus(url: str) -> None:
    def samples() -> dict[tuple[str, str, str], float]:
        text = httpx.get(f"{url}/metrics")
        assert text.headers["content-type"].startswith("text/plain; version=")
        return {
            (sample.name, sample.labels.get("path", ""), sample.labels.get("status", "")): sample.value
            for family in text_string_to_metric_families(text.text)
            for sample in family.samples
        }

    before = samples()
    post(url, "/get_reward", {"query": [CHATML_PROMPT + "Hello"] * 3})
    post(url, "/get_reward", {"query": ["plain"]})
    httpx.get(f"{url}/wherever")
    after = samples()
    for key, rise in {
        ("steersman_requests_total", "/get_reward", "200"): 1,
        ("steersman_requests_total", "/get_reward", "422"): 1,
        ("steersman_requests_total", "other", "404"): 1,
        ("steersman_request_seconds_count", "/get_reward", ""): 2,
        ("steersman_rows_total", "", ""): 3,
        # "Hi" once, for the three share it, and "Hello" three times
        ("steersman_tokens_total", "", ""): 2 + 3 * 5,
        ("steersman_ignored_system_turns_total", "", ""): 3,
        ("steersman_batch_requests_sum", "", ""): 1,
        ("steersman_queue_rows", "", ""): 0,
    }.items():
        assert after[key] - before.get(key, 0) == rise, key
