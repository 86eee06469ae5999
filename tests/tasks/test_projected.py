"""Projected tasks: pairs kept apart, examples dealt out once, standardised by training examples, cached."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azero_jax.data import make_source
from azero_jax.language.roles import Metric
from azero_jax.tasks.classification import join_tasks, multiclass_tasks, pair_tasks
from azero_jax.tasks.pairs import RELEASE_UNSEEN_PAIRS, Choice, choose_tasks, class_pairs, parse_pairs, split_pairs
from azero_jax.tasks.projected import PARTS, Sizes, default_sizes, prepare, projection_matrix, split_examples

SIZES = Sizes(12, 4, 4)
CLASSES = 4


def image_source(classes=CLASSES, each=30, test_each=10, dimension=12):
    """Every image has a first pixel of its own, so that an example can be recognised in a task."""
    count = classes * (each + test_each)
    pixels = np.random.default_rng(0).normal(size=(count, dimension))
    pixels[:, 0] = np.arange(count)
    labels = np.arange(count) % classes
    train = classes * each
    test = (pixels[train:], labels[train:]) if test_each else (None, None)
    names = [f"c{number}" for number in range(classes)]
    return make_source("images", pixels[:train], labels[:train], *test, class_names=names)


class TestPairs:
    def test_ten_classes_have_the_lists_of_the_release(self):
        split = split_pairs(10)
        assert split.unseen == RELEASE_UNSEEN_PAIRS
        assert [len(part) for part in split] == [27, 9, 9]

    @given(st.integers(3, 20), st.integers(0, 5))
    def test_search_select_and_unseen_pairs_are_apart_and_complete(self, classes, seed):
        split = split_pairs(classes, seed)
        everything = split.search + split.select + split.unseen
        assert sorted(everything) == list(class_pairs(classes))
        assert all(split)

    def test_one_pair_serves_all_three(self):
        assert split_pairs(2) == (((0, 1),),) * 3

    def test_fewer_than_two_classes(self):
        with pytest.raises(ValueError, match="two"):
            split_pairs(1)

    @given(st.integers(1, 30), st.integers(0, 5))
    def test_chosen_tasks_differ_and_use_every_pair_alike(self, count, seed):
        pairs = class_pairs(4)
        chosen = choose_tasks(pairs, 5, count, seed)
        assert len(set(chosen)) == count
        uses = [sum(choice.pair == pair for choice in chosen) for pair in pairs]
        assert max(uses) - min(uses) <= 1
        assert all(0 <= choice.projection < 5 for choice in chosen)

    def test_no_count_takes_everything(self):
        assert len(choose_tasks(class_pairs(10), 100)) == 4500

    @pytest.mark.parametrize("count", [0, 31])
    def test_more_tasks_than_there_are(self, count):
        with pytest.raises(ValueError, match="1 to 30"):
            choose_tasks(class_pairs(4), 5, count)

    def test_pairs_in_words(self):
        assert parse_pairs("0-5, 3-1", 10) == ((0, 5), (3, 1))

    @pytest.mark.parametrize("text", ["", "3", "3-3", "0-10", "a-b", "1-2-3", "-1-2"])
    def test_pairs_that_are_none(self, text):
        with pytest.raises(ValueError, match="0-5,3-8"):
            parse_pairs(text, 10)


class TestNothingLeaks:
    @pytest.mark.parametrize("test_each", [0, 10])
    def test_no_example_has_two_parts(self, test_each):
        """Not in the same task, nor in any two tasks: training, validation and test images are disjoint throughout."""
        data = prepare(image_source(test_each=test_each), None, sizes=SIZES)
        seen = {part: set() for part in PARTS}
        for part in PARTS:
            for class_ in range(CLASSES):
                seen[part] |= set(data.part(0, class_, part)[:, 0].tolist())
        assert [len(seen[part]) for part in PARTS] == [CLASSES * size for size in SIZES]
        assert not seen["train"] & seen["valid"]
        assert not seen["train"] & seen["test"]
        assert not seen["valid"] & seen["test"]

    def test_test_examples_come_from_the_sources_test_set(self):
        source = image_source()
        splits = split_examples(source, SIZES)
        for number, (train, test) in enumerate(splits):
            assert (source.train.labels[train] == number).all()
            assert (source.test.labels[test] == number).all()
            assert len(train) == SIZES.train + SIZES.valid
            assert len(test) == SIZES.test

    @pytest.mark.parametrize("part", ["valid", "test"])
    def test_what_is_judged_by_does_not_touch_the_training_features(self, part):
        """Standardisation uses training examples alone: others may be anything."""
        source = image_source(test_each=0)
        data = prepare(source, 5, projections=2, sizes=SIZES)
        changed = source.train.features.copy()
        for split in split_examples(source, SIZES):
            changed[split.train[SIZES.train :]] *= 1e3
        other = prepare(make_source("x", changed, source.train.labels), 5, projections=2, sizes=SIZES)
        choices = choose_tasks(class_pairs(CLASSES), 2)
        tasks, others = (pair_tasks(d, choices, part=part) for d in (data, other))
        np.testing.assert_array_equal(tasks.train_features, others.train_features)
        assert not np.array_equal(tasks.valid_features, others.valid_features)

    def test_training_examples_of_all_tasks_are_never_judged_by_in_any(self):
        """Read back from the tasks themselves: the first pixel, un-standardised, tells which image it is."""
        source = image_source()
        data = prepare(source, None, sizes=SIZES)
        pixel = data.features[0, ..., 0]
        trained, judged = set(), set()
        for pair in class_pairs(CLASSES):
            train = np.concatenate([data.part(0, c, "train")[:, 0] for c in pair])
            for part in ("valid", "test"):
                tasks = pair_tasks(data, [(pair, 0)], part=part)
                for features, numbers in ((tasks.train_features, trained), (tasks.valid_features, judged)):
                    restored = features[0, :, 0] * train.std(dtype=np.float64) + train.mean(dtype=np.float64)
                    numbers |= set(np.rint(restored).astype(int).tolist())
        assert trained | judged == set(pixel.astype(int).reshape(-1).tolist())
        assert not trained & judged


class TestPreparation:
    def test_projection_is_by_the_gaussian_matrix_of_its_number(self):
        source = image_source()
        raw, data = prepare(source, None, sizes=SIZES), prepare(source, 5, projections=3, sizes=SIZES, seed=0)
        for projection in range(3):
            expected = raw.features[0] @ projection_matrix(12, 5, projection, seed=0)
            np.testing.assert_allclose(data.features[projection], expected, rtol=1e-4, atol=1e-3)

    def test_projection_matrices_are_standard_normal_and_differ(self):
        first, second = (projection_matrix(3072, 16, number) for number in range(2))
        assert abs(first.mean()) < 0.02
        assert abs(first.std() - 1) < 0.02
        assert abs(np.corrcoef(first.reshape(-1), second.reshape(-1))[0, 1]) < 0.02

    def test_seed_decides_everything(self):
        source = image_source()
        one, same, other = (prepare(source, 5, projections=2, sizes=SIZES, seed=seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one.features, same.features)
        assert not np.array_equal(one.features, other.features)

    def test_second_time_comes_from_the_cache(self, tmp_path):
        source, calls = image_source(), []
        arguments = {"features": 5, "sizes": SIZES, "cache_dir": tmp_path, "progress": lambda *call: calls.append(call)}
        first = prepare(source, projections=3, **arguments)
        assert calls[-1] == ("projecting images", 12, 12)
        calls.clear()
        again = prepare(source, projections=3, **arguments)
        assert calls == []
        np.testing.assert_array_equal(first.features, again.features)
        more = prepare(source, projections=4, **arguments)
        assert calls[-1] == ("projecting images", 4, 4)
        np.testing.assert_array_equal(more.features[:3], first.features)

    def test_other_data_is_not_taken_from_the_cache(self, tmp_path):
        first = prepare(image_source(), 5, projections=1, sizes=SIZES, cache_dir=tmp_path)
        other = prepare(image_source(dimension=13), 5, projections=1, sizes=SIZES, cache_dir=tmp_path)
        assert not np.array_equal(first.features, other.features)

    def test_damaged_cache_is_made_again(self, tmp_path):
        first = prepare(image_source(), 5, projections=2, sizes=SIZES, cache_dir=tmp_path)
        for path in tmp_path.iterdir():
            path.write_bytes(path.read_bytes()[:-50])
        again = prepare(image_source(), 5, projections=2, sizes=SIZES, cache_dir=tmp_path)
        np.testing.assert_array_equal(first.features, again.features)

    @pytest.mark.parametrize(
        ("each", "test_each", "expected"),
        [(6000, 0, (4000, 500, 500)), (6000, 1000, (4000, 500, 500)), (100, 0, (80, 10, 10)), (100, 7, (90, 10, 7))],
    )
    def test_default_sizes_are_the_releases_or_what_there_is(self, each, test_each, expected):
        assert default_sizes(image_source(2, each, test_each, 1)) == expected

    def test_class_with_too_few_examples(self):
        with pytest.raises(ValueError, match=r"images: class 'c0' has 30 training examples; 34 are needed"):
            prepare(image_source(), 5, sizes=Sizes(30, 4, 4))
        with pytest.raises(ValueError, match="'c0' has 9 examples"):
            prepare(image_source(each=9, test_each=0), 5)

    @pytest.mark.parametrize(
        "arguments", [{"features": 0}, {"features": 13}, {"projections": 0}, {"sizes": Sizes(4, 0, 4)}]
    )
    def test_numbers_out_of_range(self, arguments):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            prepare(image_source(), **{"features": 5, "sizes": SIZES, **arguments})

    def test_regression_has_no_pairs(self):
        with pytest.raises(ValueError, match="no classes"):
            prepare(make_source("a", np.zeros((20, 3)), np.arange(20.0), regression=True), 2)


@pytest.fixture(scope="module")
def data():
    return prepare(image_source(), 5, projections=3, sizes=SIZES)


class TestTasks:
    def test_a_pair_is_stratified_and_its_first_class_is_positive(self, data):
        tasks = pair_tasks(data, [Choice((2, 1), 0), Choice((0, 3), 2)])
        assert tasks.metric is Metric.ACCURACY
        assert tasks.train_features.shape == (2, 24, 5)
        assert tasks.valid_features.shape == (2, 8, 5)
        assert (tasks.train_labels.mean(axis=1) == 0.5).all()
        assert (tasks.valid_labels.mean(axis=1) == 0.5).all()
        own = np.concatenate([data.part(0, class_, "train") for class_ in (1, 2)]).astype(np.float64)
        positive = tasks.train_features[0][tasks.train_labels[0] == 1]
        expected = (data.part(0, 2, "train") - own.mean(axis=0)) / own.std(axis=0)
        np.testing.assert_allclose(np.sort(positive, axis=0), np.sort(expected, axis=0), rtol=1e-5, atol=1e-6)

    def test_training_features_are_standardised(self, data):
        tasks = pair_tasks(data, choose_tasks(class_pairs(CLASSES), 3))
        np.testing.assert_allclose(tasks.train_features.mean(axis=1), 0, atol=1e-6)
        np.testing.assert_allclose(tasks.train_features.std(axis=1), 1, atol=1e-6)

    def test_constant_features_become_zero(self):
        source = image_source()
        source.train.features[:, 3] = 7
        tasks = pair_tasks(prepare(source, None, sizes=SIZES), [((0, 1), 0)])
        assert (tasks.train_features[..., 3] == 0).all()

    def test_examples_are_shuffled(self, data):
        labels = pair_tasks(data, [((0, 1), 0)]).train_labels[0]
        assert 0 < np.abs(np.diff(labels)).sum() < len(labels) - 1

    def test_few_examples_are_the_first_of_many_and_standardised_by_themselves(self, data):
        tasks = pair_tasks(data, [((0, 1), 0)], train_examples=10, valid_examples=4)
        assert tasks.train_features.shape == (1, 10, 5)
        assert tasks.valid_features.shape == (1, 4, 5)
        np.testing.assert_allclose(tasks.train_features.mean(axis=1), 0, atol=1e-6)

    def test_multiclass_labels_are_one_hot_in_f_entries(self, data):
        tasks = multiclass_tasks(data, (0, 2))
        assert tasks.metric is Metric.MULTICLASS_ACCURACY
        assert tasks.train_labels.shape == (2, 48, 5)
        assert (tasks.train_labels.sum(axis=(0, 1)) == [24, 24, 24, 24, 0]).all()

    def test_multiclass_needs_as_many_features_as_classes(self):
        with pytest.raises(ValueError, match="3 features"):
            multiclass_tasks(prepare(image_source(), 3, projections=1, sizes=SIZES))

    def test_mixture_of_two_sources(self, data):
        other = prepare(image_source(dimension=20), 5, projections=1, sizes=SIZES)
        mixed = join_tasks(pair_tasks(data, [((0, 1), 0)]), pair_tasks(other, [((0, 1), 0)]))
        assert len(mixed) == 2
        np.testing.assert_array_equal(mixed.train_features[0], pair_tasks(data, [((0, 1), 0)]).train_features[0])

    def test_mixture_must_agree(self, data):
        with pytest.raises(ValueError, match="train_examples"):
            join_tasks(pair_tasks(data, [((0, 1), 0)]), pair_tasks(data, [((0, 1), 0)], train_examples=10))

    @pytest.mark.parametrize(
        ("choice", "arguments", "said"),
        [
            (((0, 4), 0), {}, "class 4"),
            (((0, 1), 3), {}, "projection 3"),
            (((0, 1), -1), {}, "projection -1"),
            (((0, 1), 0), {"part": "train"}, "part"),
            (((0, 1), 0), {"train_examples": 26}, "up to 24"),
            (((0, 1), 0), {"train_examples": 11}, "multiples of 2"),
            (((0, 1), 0), {"valid_examples": 10}, "up to 8"),
        ],
    )
    def test_what_is_not_there(self, data, choice, arguments, said):
        with pytest.raises(ValueError, match=said):
            pair_tasks(data, [choice], **arguments)
