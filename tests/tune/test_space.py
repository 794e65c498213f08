"""The search space as data: conditions, networks with their own options, and mistakes named before the first trial."""

import pytest
import toy_models

from pipeline.params import params
from pipeline.params.space import Range
from pipeline.system.failure import Failure
from pipeline.training import models
from pipeline.tune import declared
from pipeline.tune.space import Dimension

NETWORKS = {
    "model.name": {"choices": ["compact", "seresnet"]},
    "model.width": {"choices": [24, 32], "when": {"model.name": "compact"}},
    "model.dropout": {"low": 0.0, "high": 0.4},
    "model.width@seresnet": {"low": 8, "high": 16, "when": {"model.name": "seresnet"}},
}


class Drawn:
    """An Optuna trial that takes what it is given, else the first choice or the low end."""

    def __init__(self, **values):
        self.values, self.asked = values, []

    def suggest_categorical(self, name, choices):
        self.asked.append(name)
        return self.values.get(name, choices[0])

    def suggest_float(self, name, low, high, log):
        self.asked.append(name)
        return self.values.get(name, low)

    def suggest_int(self, name, low, high, log):
        assert type(low) is int and type(high) is int
        return self.suggest_float(name, low, high, log)


def space_of(space):
    return declared.space_of(params.load(toy_models.PARAMS).override({"tune.space": space}))


def test_a_dimension_without_a_condition_is_drawn_in_every_trial():
    space = space_of({"train.learning_rate": {"low": 0.001, "high": 0.1}, "train.batch_size": {"choices": [64, 128]}})
    trial = Drawn()
    assert space.suggest(trial).keys() == {"train.learning_rate", "train.batch_size"} == set(trial.asked)
    assert not space.conditional
    assert space.changes(space.baseline) == {}, "trial 0 is the recipe itself"


def test_an_option_of_one_network_is_drawn_only_where_that_network_is_chosen():
    space = space_of(NETWORKS)
    own, other = Drawn(), Drawn(**{"model.name": "seresnet"})
    assert set(space.suggest(own)) == {"model.name", "model.width", "model.dropout"} == set(own.asked)
    assert set(space.suggest(other)) == {"model.name", "model.width@seresnet", "model.dropout"} == set(other.asked)
    assert space.conditional and set(space.baseline) == {"model.name", "model.width", "model.dropout"}


def test_another_network_starts_from_its_own_defaults_and_not_from_the_recipe_s_options():
    space = space_of(NETWORKS)
    values = {"model.name": "seresnet", "model.width@seresnet": 16, "model.dropout": 0.3}
    assert space.override(values).model.model_dump() == {"name": "seresnet", "width": 16, "dropout": 0.3}
    assert space.by_path(values) == {"model.name": "seresnet", "model.width": 16, "model.dropout": 0.3}
    same = space.override({"model.name": "compact", "model.width": 24, "model.dropout": 0.3}).model.model_dump()
    assert same == {**space.params.model.model_dump(), "width": 24, "dropout": 0.3}


def test_the_names_in_the_space_need_no_order():
    space = space_of(dict(reversed(NETWORKS.items())))
    assert set(space.suggest(Drawn(**{"model.name": "seresnet"}))) == {"model.name", "model.width@seresnet",
                                                                      "model.dropout"}


def test_what_a_choice_rules_out_falls_back_to_its_default():
    space = space_of({"train.optimizer": {"choices": ["adamw", "adam"]},
                      "train.weight_decay": {"low": 0.01, "high": 0.1, "when": {"train.optimizer": ["adamw"]}}})
    trial = space.override({"train.optimizer": "adam"}).train
    assert (trial.optimizer, trial.weight_decay) == ("adam", 0.0)
    assert space.override(space.baseline) == space.params


def test_what_the_recipe_does_not_search_either_stays_as_the_recipe_has_it():
    space = space_of({"train.optimizer": {"choices": ["adamw", "muon", "sgd"]},
                      "train.momentum": {"low": 0.5, "high": 0.99, "when": {"train.optimizer": "sgd"}}})
    assert set(space.baseline) == {"train.optimizer"}
    assert space.override({"train.optimizer": "muon"}).train.momentum == space.params.train.momentum
    assert space.override({"train.optimizer": "sgd", "train.momentum": 0.6}).train.momentum == 0.6


def test_the_recipe_s_own_value_always_lies_in_the_space():
    space = space_of({"train.batch_size": {"choices": [16, 32]}, "train.learning_rate": {"low": 0.1, "high": 0.2}})
    own = space.params.train
    batches, rates = (dimension.range for dimension in space.dimensions)
    assert batches.choices == [16, 32, own.batch_size] and (rates.low, rates.high) == (own.learning_rate, 0.2)
    assert space.holds(space.baseline)


def test_whole_numbers_stay_whole():
    space = space_of({"train.batch_size": {"low": 16, "high": 128}, **NETWORKS})
    whole = {dimension.name: dimension.range.low for dimension in space.dimensions if dimension.range.choices is None}
    assert {name: type(low) for name, low in whole.items()} == {
        "train.batch_size": int, "model.dropout": float, "model.width@seresnet": int}


def test_the_space_knows_which_values_a_trial_of_it_could_have():
    space = space_of(NETWORKS)
    assert space.holds({"model.name": "seresnet", "model.width@seresnet": 9, "model.dropout": 0.1})
    for wrong in ({"model.name": "seresnet", "model.width": 24, "model.dropout": 0.1},
                  {"model.name": "compact", "model.width": 24}, {"model.name": "vgg", "model.dropout": 0.1},
                  {"model.name": "seresnet", "model.width@seresnet": 9.5, "model.dropout": 0.1},
                  {"model.name": "compact", "model.width": 24, "model.dropout": 0.5}):
        assert not space.holds(wrong), wrong
    assert not Dimension("a", "a", Range(choices=[1])).holds(True)


@pytest.mark.parametrize(("space", "said"), [
    ({"train.speed": {"choices": [1]}}, "tune.space.train.speed: recipe compact has no such parameter"),
    ({"train": {"choices": [1]}}, "tune.space.train: recipe compact has no such parameter"),
    ({"train.epochs": {"choices": [1]}}, "tune.space.train.epochs: cannot be searched"),
    ({"balance.strategy": {"choices": ["none"]}}, "tune.space.balance.strategy: cannot be searched"),
    ({"train.optimizer": {"low": 1, "high": 2}}, "tune.space.train.optimizer: the recipe has 'adamw', which is no num"),
    ({"train.optimizer": {"choices": ["lion"]}}, "tune.space.train.optimizer: Input should be 'adam'"),
    ({"augment.flip": {"low": 0, "high": 1}}, "tune.space.augment.flip: the recipe has True, which is no number"),
    ({"augment.erasing": {"low": 0.1, "high": 1, "log": True}}, "tune.space.augment.erasing: log needs values above 0"),
    ({"train.label_smoothing": {"low": 0, "high": 2}}, "tune.space.train.label_smoothing: Input should be less than 1"),
    ({"train.batch_size": {"low": 32.5, "high": 64}}, "tune.space.train.batch_size: the recipe has the whole number"),
    ({"train.optimizer": {"choices": ["adamw", "adam"]}}, "tune.space.train.optimizer: train: optimizer adam has no"),
    ({**NETWORKS, "model.width": {"choices": [24], "when": {"model.nam": "compact"}}},
     "tune.space.model.width: when: model.nam is no dimension of this space with choices (did you mean model.name?)"),
    ({**NETWORKS, "model.width": {"choices": [24], "when": {"model.dropout": 0.1}}},
     "tune.space.model.width: when: model.dropout is no dimension of this space with choices"),
    ({**NETWORKS, "model.width": {"choices": [24], "when": {"model.name": "vgg"}}},
     "tune.space.model.width: when: model.name is never 'vgg'; its choices are compact, seresnet"),
    ({**NETWORKS, "model.name": {"choices": ["compact", "seresnets"]},
      "model.width@seresnet": {"choices": [8], "when": {"model.name": "seresnets"}}},
     "there is no network 'seresnets' (did you mean seresnet?)"),
    ({**NETWORKS, "model.widht": {"choices": [8], "when": {"model.name": "seresnet"}}},
     "tune.space.model.widht: network seresnet has no option widht (did you mean width?)"),
    ({**NETWORKS, "model.width@seresnet": {"choices": [8]}}, "sets the same parameter; give both a `when`"),
    ({"train.optimizer": {"choices": ["sgd"], "when": {"train.schedule": "constant"}},
      "train.schedule": {"choices": ["constant"], "when": {"train.optimizer": "sgd"}}},
     "its condition depends on itself, by way of train.optimizer, train.schedule"),
    ({"train.optimizer": {"choices": ["adamw", "muon"]},
      "train.learning_rate": {"low": 0.1, "high": 1, "when": {"train.optimizer": "adamw"}}},
     "tune.space.train.learning_rate: cannot depend on another dimension: it has no default"),
    ({"train.optimizer": {"choices": ["adamw", "sgd"]},
      "train.momentum": {"low": 0.5, "high": 1.5, "when": {"train.optimizer": "sgd"}}},
     "tune.space.train.momentum: Input should be less than 1"),
])
def test_a_dimension_that_cannot_be_searched_is_one_line(space, said):
    with pytest.raises(Failure) as caught:
        space_of(space)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_networks_of_every_family_and_choice_are_built_once_before_the_first_trial():
    space, built = space_of(NETWORKS), []
    declared.check_networks(space, lambda trial: built.append(trial.model.model_dump()))
    own = space.params.model
    assert [(model["name"], model["width"], model["dropout"]) for model in built] == [
        ("compact", own.width, own.dropout), ("compact", own.width, 0.0), ("compact", own.width, 0.4),
        ("compact", 24, own.dropout), ("compact", 32, own.dropout),
        ("seresnet", 8, own.dropout), ("seresnet", 8, 0.0), ("seresnet", 8, 0.4), ("seresnet", 16, own.dropout),
        ("seresnet", 16, 0.4)]

    def build(trial):
        if trial.model.name == "seresnet":
            raise Failure("model: seresnet cannot be built")

    with pytest.raises(Failure, match=r"^params.yaml: tune.space: model: seresnet cannot be built"):
        declared.check_networks(space, build)
    declared.check_networks(space_of({"train.batch_size": {"choices": [1]}}), lambda trial: pytest.fail("no need"))


@pytest.mark.parametrize(("space", "said"), [
    ({"model.pooling": {"choices": ["depthwise", "bogus", "average"]}},
     "tune.space.model.pooling: model: compact does not take these options (pooling is 'bogus'"),
    ({"model.width": {"choices": [24, "wide", 32]}}, "tune.space.model.width: model: compact does not take these opti"),
    ({"model.width": {"low": 0, "high": 64}}, "tune.space.model.width: model: compact cannot be built"),
    ({**NETWORKS, "model.width@seresnet": {"choices": [8, 16], "when": {"model.name": "seresnet"}},
      "model.squeeze": {"choices": [16, "bogus", 8], "when": {"model.name": "seresnet", "model.width@seresnet": 16}}},
     "tune.space.model.squeeze: model: seresnet does not take these options"),
])
def test_a_choice_that_no_network_takes_is_one_line_before_the_first_trial(space, said):
    with pytest.raises(Failure) as caught:
        declared.check_networks(space_of(space), lambda trial: models.build(classes=7, **trial.model.model_dump()))
    assert str(caught.value).startswith(f"params.yaml: {said}") and "\n" not in str(caught.value)
