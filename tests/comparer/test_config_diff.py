"""What distinguishes configurations."""

from slt.comparer.config_diff import differences, distinct, flat, last_names


def test_nested_options_have_dotted_names_and_classes_their_short_ones():
    config = {"model": {"_target_": "slt.models.Two", "a": {"b": 1}}, "posterior": None}
    assert flat(config) == {"model": "Two", "model.a.b": 1, "posterior": None}


def test_options_with_more_than_one_value_differ_and_labels_do_not():
    assert differences([{"a": 1, "b": 2, "name": "x"}, {"a": 1.0, "b": 3, "name": "y"}, {}]) == ["b"]


def test_a_branch_that_is_null_in_some_differs_once():
    assert differences([{"llc": None}, {"llc": "Sgld", "llc.steps": 3}]) == ["llc"]
    assert differences([{"posterior": None}, {"posterior.sample_sizes": [1]}]) == ["posterior"]


def test_parts_add_values_to_what_whole_configurations_have():
    assert differences([{"a": 1, "b": 2}], [{"a": 2, "c": 5}]) == ["a"]
    assert differences([{}], [{"a": 1, "c": 5}, {"a": 2, "c": 5}]) == ["a"]


def test_values_are_ordered_by_size_with_null_last():
    assert list(distinct([10, None, "x", 2.5, 10.0]).values()) == [2.5, 10.0, "x", None]


def test_last_names_are_enough_unless_two_share_one():
    assert last_names(["a.n", "b.m", "c.m"]) == {"a.n": "n", "b.m": "b.m", "c.m": "c.m"}
