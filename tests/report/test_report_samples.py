"""Which samples a page shows."""

from steersman.report.data import Sample, spread_samples


def sample(number: int, change: float | None) -> Sample:
    after = None if change is None else change
    return Sample(f"p{number:02d}", "prompt", "before", "after", 0.0, after)


def test_samples_run_from_the_worst_change_to_the_best_at_even_distances() -> None:
    samples = [sample(i, float(i)) for i in reversed(range(11))]
    assert [each.change for each in spread_samples(samples, count=6)] == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]


def test_a_few_samples_are_all_shown_and_unknown_changes_come_last() -> None:
    samples = [sample(1, None), sample(2, 0.5), sample(3, -0.5)]
    assert [each.prompt_id for each in spread_samples(samples)] == ["p03", "p02", "p01"]


def test_without_any_known_change_samples_are_still_shown() -> None:
    assert len(spread_samples([sample(i, None) for i in range(20)], count=6)) == 6
