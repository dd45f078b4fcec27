"""Opponent models against Bayes, at a size for tests; and the oracles themselves, on paper."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.theory import inference
from softsim.theory.memory_one import STRATEGIES
from softsim.validation.lessons import falling, opposite
from softsim.validation.registry import validate

KINDS = [STRATEGIES[name] for name in ("cooperate", "defect", "tit_for_tat", "win_stay_lose_shift")]
DILEMMA = 3.0, 0.0, 5.0, 1.0


@pytest.mark.parametrize(("rounds", "values"), [(10, (31.0, 30.25, 30.0)), (20, (61.0, 60.25, 60.0))])
def test_what_an_unknown_partner_is_worth(rounds, values):
    found = [value(KINDS, DILEMMA, rounds) for value in (inference.told, inference.inferred, inference.unremembered)]
    np.testing.assert_allclose(found, values)


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_plans_without_memory_are_the_best_of_all(rounds):
    """All maps from round and last joint move to a move, tried one by one."""
    seen = [(t, before) for t in range(rounds) for before in ([None] if t == 0 else itertools.product((0, 1), (0, 1)))]

    def value(plan) -> float:
        total = 0.0
        for kind in KINDS:
            before = None
            for t in range(rounds):
                before = plan[t, before], inference.answer(kind, before)
                total += DILEMMA[2 * before[0] + before[1]]
        return total / len(KINDS)

    plans = (dict(zip(seen, moves, strict=True)) for moves in itertools.product((0, 1), repeat=len(seen)))
    np.testing.assert_allclose(inference.unremembered(KINDS, DILEMMA, rounds), max(map(value, plans)))


def test_bayes_counts_what_followed_the_same_joint_move():
    """CC, CC, CD, CC: cooperation at first, then after CC twice, then once after CD; all with one of each to begin."""
    own, others = jnp.array([0, 0, 0, 0]), jnp.array([0, 0, 1, 0])
    np.testing.assert_allclose(inference.predictive(own, others, 1.0), [1 / 2, 1 / 2, 2 / 3, 1 / 2], rtol=1e-6)
    own, others = jnp.zeros(5, jnp.int32), jnp.array([0, 0, 0, 1, 0])
    np.testing.assert_allclose(inference.predictive(own, others, 0.5), [0.5, 0.5, 0.75, 2.5 / 3, 0.5], rtol=1e-6)


def test_learners_meet_every_partner_as_often_in_both_slots():
    populations, learners, seats = 2, 3, 12
    place = opposite(populations, learners, seats)
    assert place.shape == (populations, 2 * learners, seats)
    assert sorted(place[0].reshape(-1)) == list(range(2 * learners * seats))
    sitter = np.empty(place[0].size, int)
    sitter[place[0].reshape(-1)] = np.repeat(np.arange(2 * learners), seats)
    for learner in range(learners):
        met = np.zeros((learners, 2), int)
        for seat, at in enumerate(place[0, learner]):
            partner = sitter[at ^ 1] - learners
            assert partner == seat % learners
            met[partner, at % 2] += 1
        assert (met == seats // learners // 2).all()


def test_numbers_fall_to_nothing():
    from softsim.learners.ppo import Hyper

    fields = Hyper.__dataclass_fields__
    hyper = Hyper(**{name: jnp.full((1, 2), 3.0) for name in fields})
    rounds = falling(hyper, 3, ("learning_rate",))
    np.testing.assert_allclose(rounds.learning_rate[:, 0, 0], [3.0, 2.0, 1.0])
    assert all(np.asarray(getattr(rounds, name) == 3.0).all() for name in fields if name != "learning_rate")
    assert {leaf.shape for leaf in jax.tree.leaves(rounds)} == {(3, 1, 2)}


@pytest.mark.slow
def test_opponent_bayes():
    result = validate("opponent-bayes", small=True)
    assert result["passed"], result
    figures = result["figures"]
    model, frequency = (figures[f"cross-entropy of the {name}"]["measured"] for name in ("model", "running frequency"))
    assert model < frequency - 0.04
    assert len(figures["cross-entropy of the model among them"]["measured"]) == 4


@pytest.mark.slow
def test_type_inference():
    result = validate("type-inference", small=True)
    assert result["passed"], result
    assert result["figures"]["learners"]["measured"] == 4
