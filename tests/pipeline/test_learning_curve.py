"""The sets of a learning curve."""

from steersman.pipeline.learning_curve import nested_sets


def test_every_smaller_set_is_part_of_every_larger_one() -> None:
    sets = [set(each) for each in nested_sets([3, 10, 25], num_pairs=30, seed=1)]
    assert [len(each) for each in sets] == [3, 10, 25]
    assert sets[0] < sets[1] < sets[2] < set(range(30))


def test_the_seed_decides_the_sets() -> None:
    first, again, other = (nested_sets([5], num_pairs=30, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
