"""The queue and its one thread; gates in the scorer, not clocks, decide what waits for what."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from served import PATIENCE_SECONDS, GatedScorer, LengthScorer

from steersman.backends.limits import ConversationTooLongError, LimitedScorer
from steersman.backends.row_groups import check_pairs
from steersman.errors import DataError, SteersmanError
from steersman.protocols import Scorer
from steersman.serving.batcher import Batcher
from steersman.serving.batching import BatchLimits, Scores
from steersman.serving.faults import ModelFaultError, QueueFullError, RequestTooLargeError, StoppingError
from steersman.serving.metrics import Metrics
from steersman.serving.rows import Rows

AT_ONCE = BatchLimits(batch_wait_seconds=0.0)


def rows(*responses: str, prompt: str = "p") -> Rows:
    return Rows((prompt,) * len(responses), responses)


def lengths(answer: "Future[Scores]") -> list[float]:
    return [float(each) for each in answer.result(PATIENCE_SECONDS).outputs[:, 0]]


@contextmanager
def working(scorer: Scorer, *, limits: BatchLimits = AT_ONCE, metrics: Metrics | None = None) -> Iterator[Batcher]:
    batcher = Batcher(scorer, limits=limits, metrics=metrics or Metrics())
    batcher.start()
    try:
        yield batcher
    finally:
        batcher.stop()
        batcher.join()


@contextmanager
def busy(scorer: GatedScorer, *, limits: BatchLimits = AT_ONCE) -> Iterator[Batcher]:
    """Give a batcher whose model is at work on one row until the gate opens; what is submitted meanwhile waits."""
    with working(scorer, limits=limits) as batcher:
        try:
            first = batcher.submit(rows("first"))
            assert scorer.has_begun.wait(PATIENCE_SECONDS)
            yield batcher
            scorer.gate.set()
            assert lengths(first) == [5.0]
        finally:
            scorer.gate.set()


def test_requests_that_wait_are_scored_in_one_call_sorted_by_prompt() -> None:
    scorer = GatedScorer()
    with busy(scorer) as batcher:
        asked = [rows("a", prompt="z"), rows("bb", "ccc", prompt="y"), rows("dddd", prompt="z")]
        answers = [batcher.submit(each) for each in asked]
        scorer.gate.set()
        assert [lengths(each) for each in answers] == [[1.0], [2.0, 3.0], [4.0]]
    assert scorer.calls[1:] == [[("y", "bb"), ("y", "ccc"), ("z", "a"), ("z", "dddd")]]
    assert scorer.most_running == 1


def test_a_request_to_an_idle_model_waits_for_others_until_the_batch_is_full() -> None:
    scorer = LengthScorer()
    with working(scorer, limits=BatchLimits(batch_wait_seconds=10 * PATIENCE_SECONDS, max_batch_rows=2)) as batcher:
        answers = [batcher.submit(rows(each)) for each in ("a", "bb")]
        assert [lengths(each) for each in answers] == [[1.0], [2.0]]
    assert [len(call) for call in scorer.calls] == [2]


def test_a_request_that_nobody_joins_is_scored_after_the_wait() -> None:
    with working(LengthScorer(), limits=BatchLimits(batch_wait_seconds=0.01, max_batch_rows=2)) as batcher:
        assert lengths(batcher.submit(rows("a"))) == [1.0]


def test_a_batch_has_no_more_rows_than_the_limit_unless_one_request_has() -> None:
    scorer = GatedScorer()
    with busy(scorer, limits=replace(AT_ONCE, max_batch_rows=3)) as batcher:
        answers = [batcher.submit(rows(*("x" * number))) for number in (2, 1, 4, 1)]
        scorer.gate.set()
        assert [len(lengths(each)) for each in answers] == [2, 1, 4, 1]
    assert [len(call) for call in scorer.calls[1:]] == [3, 4, 1]


def test_a_faulty_request_fails_alone_and_by_its_own_row_numbers() -> None:
    scorer = GatedScorer()
    with working(LimitedScorer(scorer, max_tokens=6)) as batcher:
        first = batcher.submit(rows("a"))
        assert scorer.has_begun.wait(PATIENCE_SECONDS)
        fine, faulty = batcher.submit(rows("bb")), batcher.submit(Rows(("q", "p", "a"), ("x", "far too long", "x")))
        scorer.gate.set()
        assert (lengths(first), lengths(fine)) == ([1.0], [2.0])
        with pytest.raises(ConversationTooLongError, match="row 1 has 13 tokens"):
            faulty.result(PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("response", "kind"), [("unscorable", DataError), ("explosive", ModelFaultError), ("endless", ModelFaultError)]
)
def test_a_request_that_the_model_refuses_or_breaks_on_takes_none_with_it(
    response: str, kind: type[SteersmanError]
) -> None:
    scorer = GatedScorer()
    with busy(scorer) as batcher:
        before, faulty, after = [batcher.submit(rows(each)) for each in ("a", response, "bb")]
        scorer.gate.set()
        assert (lengths(before), lengths(after)) == ([1.0], [2.0])
        with pytest.raises(kind):
            faulty.result(PATIENCE_SECONDS)
        assert lengths(batcher.submit(rows("ccc"))) == [3.0]


def test_a_cancelled_request_leaves_the_queue_and_is_not_scored() -> None:
    scorer = GatedScorer()
    with busy(scorer) as batcher:
        gone, stays = batcher.submit(rows("gone", "gone")), batcher.submit(rows("stays"))
        assert batcher.num_queued_rows == 3
        assert gone.cancel()
        assert batcher.num_queued_rows == 1
        scorer.gate.set()
        assert lengths(stays) == [5.0]
    assert scorer.calls[1:] == [[("p", "stays")]]


def test_a_request_that_is_being_scored_can_no_longer_be_cancelled() -> None:
    scorer = GatedScorer()
    with working(scorer) as batcher:
        answer = batcher.submit(rows("a"))
        assert scorer.has_begun.wait(PATIENCE_SECONDS)
        assert not answer.cancel()
        scorer.gate.set()
        assert lengths(answer) == [1.0]
        assert lengths(batcher.submit(rows("bb"))) == [2.0]


def test_a_full_queue_takes_no_more_until_rows_leave_it() -> None:
    scorer = GatedScorer()
    with busy(scorer, limits=replace(AT_ONCE, max_queue_rows=3)) as batcher:
        waiting = batcher.submit(rows("a", "b"))
        with pytest.raises(QueueFullError, match="2 rows wait, it holds 3 rows") as caught:
            batcher.submit(rows("c", "d"))
        assert caught.value.retry_after_seconds == 1
        batcher.submit(rows("c"))
        assert batcher.num_queued_rows == 3
        waiting.cancel()
        batcher.submit(rows("d", "e"))
        assert batcher.num_queued_rows == 3


def test_long_texts_fill_the_queue_before_their_number_does() -> None:
    scorer = GatedScorer()
    with busy(scorer, limits=replace(AT_ONCE, max_queue_characters=10)) as batcher:
        batcher.submit(rows("12345678"))
        with pytest.raises(QueueFullError, match="10 characters"):
            batcher.submit(rows("1"))


def test_a_request_larger_than_the_queue_is_not_told_to_come_back() -> None:
    with working(LengthScorer(), limits=replace(AT_ONCE, max_queue_rows=2)) as batcher:
        with pytest.raises(RequestTooLargeError, match="holds 2 rows"):
            batcher.submit(rows("a", "b", "c"))
        assert lengths(batcher.submit(rows("a", "b"))) == [1.0, 1.0]


def test_stopping_finishes_what_runs_and_refuses_what_waits_and_what_comes() -> None:
    scorer = GatedScorer()
    with busy(scorer) as batcher:
        waits = batcher.submit(rows("waits"))
        batcher.stop()
        with pytest.raises(StoppingError):
            waits.result(0)
        with pytest.raises(StoppingError):
            batcher.submit(rows("comes"))
        assert not batcher.is_ready
        assert batcher.is_alive
    assert not batcher.is_alive
    assert [len(call) for call in scorer.calls] == [1]


def test_nothing_is_taken_before_the_start() -> None:
    batcher = Batcher(LengthScorer(), limits=BatchLimits(), metrics=Metrics())
    with pytest.raises(StoppingError):
        batcher.submit(rows("a"))


def test_what_was_scored_is_counted() -> None:
    metrics = Metrics()
    with working(LengthScorer(), metrics=metrics) as batcher:
        lengths(batcher.submit(rows("a", "bb", prompt="pp")))
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
        if not sample.labels
    }
    assert samples["steersman_rows_total"] == 2
    assert samples["steersman_tokens_total"] == len("pp") + len("a") + len("bb")
    assert (samples["steersman_batch_rows_count"], samples["steersman_batch_rows_sum"]) == (1, 2)
    assert samples["steersman_queue_rows"] == 0


def test_what_a_request_lacks_is_not_made_up_from_others_in_its_batch() -> None:
    scorer = GatedScorer()
    batcher = Batcher(scorer, limits=AT_ONCE, metrics=Metrics(), check=check_pairs)
    batcher.start()
    try:
        first = batcher.submit(rows("first", "second"))
        assert scorer.has_begun.wait(PATIENCE_SECONDS)
        for _ in range(2):
            with pytest.raises(DataError, match="row 0: the model compares two responses"):
                batcher.submit(rows("a", prompt="z"))
        assert batcher.num_queued_rows == 0
        scorer.gate.set()
        assert lengths(first) == [5.0, 6.0]
    finally:
        scorer.gate.set()
        batcher.stop()
        batcher.join()
