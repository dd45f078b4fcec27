"""What is skipped is skipped for a whole batch, and what comes out never depends on who else is in it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playing import compiled

from softsim.envs import compile_games, declare, make, observe, skipping, world
from softsim.envs.skipping import anywhere, for_agents, where_needed, while_needed


def test_a_condition_is_one_for_all_that_are_mapped_together():
    flags = jnp.array([[False, True], [False, False]])
    assert jax.vmap(jax.vmap(anywhere))(flags).tolist() == [[True, True], [True, True]]
    assert jax.vmap(anywhere)(flags[1]).tolist() == [False, False]
    assert jax.vmap(anywhere, in_axes=None, axis_size=2)(flags[0, 1]).tolist() == [True, True]


@pytest.mark.parametrize(("needs", "work_done"), [([0, 0], 0), ([0, 1], 1)])
def test_work_is_done_once_for_the_batch_or_not_at_all(needs, work_done):
    calls = []

    def step(need, value):
        def work(value):
            jax.debug.callback(lambda _: calls.append(1), jnp.float32(0))
            return value + need

        return where_needed(need > 0, work, value)

    result = jax.jit(jax.vmap(step))(jnp.array(needs), jnp.array([5, 7]))
    jax.effects_barrier()
    assert result.tolist() == [5 + needs[0], 7 + needs[1]]
    assert bool(calls) == bool(work_done)


def test_turns_go_on_until_nobody_needs_one():
    def count_down(start):
        def turn(running):
            left, turns = running
            return jnp.maximum(left - 1, 0), turns + 1

        return while_needed(lambda running: running[0] > 0, turn, (start, jnp.int32(0)))

    left, turns = jax.jit(jax.vmap(count_down))(jnp.array([1, 3, 0]))
    assert left.tolist() == [0, 0, 0]
    assert turns.tolist() == [3, 3, 3]


@pytest.mark.parametrize("num_agents", [skipping.CROWD - 1, skipping.CROWD])
def test_agents_that_do_not_act_are_idle(num_agents):
    acts = np.arange(num_agents) % 3 == 1

    def work(acts):
        return for_agents(acts, lambda agent: {"square": jnp.where(acts[agent], agent**2, -1)}, idle=-1)

    done = jax.jit(jax.vmap(work))(jnp.stack([acts, np.zeros_like(acts)]))["square"]
    assert done[0].tolist() == [agent**2 if acts[agent] else -1 for agent in range(num_agents)]
    assert done[1].tolist() == [-1] * num_agents


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("clean_up", "CROWD", 1),
        ("clean_up", "on_accelerator", lambda: True),
        ("prisoners_dilemma_in_the_matrix_arena", "CROWD", 1),
        ("territory_rooms", "on_accelerator", lambda: True),
        ("externality_mushrooms", "on_accelerator", lambda: True),
    ],
)
@pytest.mark.slow
def test_how_work_is_arranged_changes_nothing(name, setting, value, monkeypatch):
    """Agents in turn or at once, loops that ask or do not, windows cut or looked up: all the same."""
    world, params = make(name)

    def run():
        def play(seed):
            key_reset, key_play = jax.random.split(jax.random.key(seed))

            def step(running, seed):
                key_act, key_step = jax.random.split(jax.random.key(seed))
                action = jax.random.randint(key_act, (world.num_agents,), 0, world.num_actions)
                return world.step(key_step, params, running[0], action), None

            return jax.lax.scan(step, world.reset(key_reset, params), jax.random.bits(key_play, (12,)))[0]

        return compiled(jax.vmap(play))(jnp.arange(8, dtype=jnp.uint32))

    before = run()
    for module in (skipping, observe):
        monkeypatch.setattr(module, setting, value, raising=module is skipping)
    jax.tree.map(np.testing.assert_array_equal, before, run())


@pytest.mark.parametrize(
    ("games", "number"),
    [
        (["allelopathic_harvest"], None),
        (["commons_harvest_open", "commons_harvest_closed"], None),  # other maps, the same phases
        (["coins", "coins_classic"], world.BLOCK),
    ],
)
def test_worlds_of_games_that_differ_ask_for_blocks(games, number):
    made, _ = make(games)
    assert made.block == number
    assert compile_games([declare(games[0])], made)[0].block == number  # what joins a world later does not change it
