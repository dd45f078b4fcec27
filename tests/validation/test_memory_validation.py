"""The validation of memories at reduced size, and the world it is made of."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.validation.memory import PERIODS, ROUNDS, RecallWorld, claim, situations
from softsim.validation.registry import validate


def test_only_the_cue_tells_the_answer_and_only_when_asked():
    """Along an episode: what is shown, when there is a choice, and what each answer is paid."""
    world, params = RecallWorld(), jax.tree.map(lambda leaf: leaf[0], situations(10))
    step = jax.jit(world.step)
    state, timestep = world.reset(jax.random.key(3), params)
    cue = int(state["cue"])
    signs, right = [], 0.0
    for t in range(PERIODS[10]):
        sign, marked, asked = np.asarray(timestep.observation[0])
        signs.append(sign)
        assert (marked, asked) == (t == 0, t >= 10)
        assert timestep.action_mask.tolist() == [[True, t >= 10]]
        assert bool(timestep.last) == (t == PERIODS[10] - 1)
        if 10 <= t < PERIODS[10] - 1:
            right += float(step(jax.random.key(t), params, state, jnp.array([cue]))[1].reward[0])
        state, timestep = step(jax.random.key(t), params, state, jnp.array([1 - cue]))
        assert float(timestep.reward[0]) == 0.0
    assert right == pytest.approx(1.0)
    assert signs[0] == 2.0 * cue - 1.0
    assert len(set(signs)) == 2  # others than the cue are shown as well


def test_rounds_end_no_episode_half_way():
    assert all(max(PERIODS.values()) % period == 0 for period in PERIODS.values())
    assert all(period > lag for lag, period in PERIODS.items())
    assert ROUNDS.keys() == PERIODS.keys()


def test_beyond_its_reach_a_memory_must_be_at_chance():
    assert claim(0.96, 10, 10, True).passed
    assert not claim(0.94, 10, 10, True).passed
    assert claim(0.55, 50, 10, True).passed
    assert not claim(0.96, 50, 10, True).passed  # a leak
    assert claim(0.96, 50, 10, False).target is None


@pytest.mark.slow
def test_it_holds():
    result = validate("memory", small=True)
    failed = {key: figure for key, figure in result["figures"].items() if not figure["passed"]}
    assert not failed
    told = {"none, lag 10", "gru, lag 10", "linear, lag 10", "transformer of 10, lag 10", "transformer of 18, lag 10"}
    more = {f"{name}, {what}" for name in told for what in ("seconds", "every learner")}
    assert told | more == set(result["figures"])
