"""All games at once: one program, one vocabulary, and what must hold in every one of them whatever is done."""

from __future__ import annotations

import collections
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim.envs import GRID_GAMES, Beam, Cell, Enter, Game, Growth, Rule, Struck, compile_games, declare, make, names
from softsim.envs.vocabulary import NUM_SYMBOLS
from softsim.learners.networks import NetworkConfig
from softsim.minds import default_policy
from softsim.rollout import Table, begin, seating_of, unroll
from softsim.train import TrainConfig, assemble

traces: collections.Counter = collections.Counter()
compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
"""What runs for a few steps only is compiled in half the time."""


@functools.cache
def everything():
    return make(list(GRID_GAMES))


@functools.partial(compiled, static_argnums=0)
def step_all(world, keys, params, state, action):
    traces[world] += 1
    return jax.vmap(world.step)(keys, params, state, action)


def broken(world, params, before, action, after, timestep):
    """Say which invariants one step of one world breaks: [12] bool."""
    size = world.spec.height * world.spec.width
    present = params.agent_mask & (after.removed == 0)
    cell = after.cell.reshape(-1)
    here = jnp.where(present, after.position, -1 - jnp.arange(world.num_agents))
    together = (here[:, None] == here[None]) & ~jnp.eye(world.num_agents, dtype=bool)
    solid = params.layout.solid.reshape(-1)[params.role * world.spec.num_items + cell[after.position]]
    bag = after.bag
    out = ~params.agent_mask
    ready = timestep.action_mask[:, 1:].any(1)
    window, body = timestep.observation.window, timestep.observation.body
    idle = params.agent_mask & ((before.removed > 1) | (before.frozen > 0)) & (after.removed > 0)
    return jnp.stack(
        [
            together.any(),
            (present & ((after.position < 0) | (after.position >= size))).any(),
            (present & solid).any(),
            (cell >= world.spec.num_items).any() | (window[..., 0] >= NUM_SYMBOLS).any(),
            ((bag < 0) | (bag > params.bag.cap[None, : bag.shape[1]])).any(),
            ((after.removed < 0) | (after.frozen < 0) | (after.cooldown < 0).any(1)).any(),
            ~jnp.isfinite(timestep.reward).all() | ~jnp.isfinite(body).all(),
            (out & ((timestep.reward != 0) | timestep.events.any(1) | ready)).any(),
            (ready & ((after.removed > 0) | (after.frozen > 0))).any(),
            (timestep.events < 0).any() | ~timestep.action_mask[:, 0].all(),
            ((after.need < 0) | (after.need > params.need.most[params.role] + 1e-4)).any()
            if after.need.size
            else False,
            (idle & (after.position != before.position) & (after.removed > 1)).any(),
        ]
    )


def play(world, num_steps, key, params):
    """Act at random, as the masks allow, and count broken invariants by kind and events by name."""
    count = params.agent_mask.shape[0]
    key_reset, key_play = jax.random.split(key)
    state, timestep = jax.vmap(world.reset)(jax.random.split(key_reset, count), params)

    def step(running, key):
        state, timestep, wrong, events = running
        key_act, key_step = jax.random.split(key)
        word = jax.random.uniform(key_act, timestep.action_mask.shape)
        action = jnp.argmax(jnp.where(timestep.action_mask, word, -1.0), -1).astype(jnp.int32)
        keys = jax.random.split(key_step, count)
        after, following = jax.vmap(world.step)(keys, params, state, action)
        wrong = wrong + jax.vmap(functools.partial(broken, world))(params, state, action, after, following)
        events = events + following.events.sum(1)
        over = following.last

        def restart(now):
            fresh = jax.vmap(world.reset)(jax.random.split(jax.random.fold_in(key, 1), count), params)
            pick = lambda new, old: jnp.where(over.reshape((-1,) + (1,) * (old.ndim - 1)), new, old)  # noqa: E731
            return jax.tree.map(pick, fresh, now)

        after, following = jax.lax.cond(over.any(), restart, lambda now: now, (after, following))
        return (after, following, wrong, events), None

    zero = (jnp.zeros((count, 12), jnp.int32), jnp.zeros((count, len(world.event_names)), jnp.int32))
    running = jax.lax.scan(step, (state, timestep, *zero), jax.random.split(key_play, num_steps))[0]
    return running[2:]


def check_all(num_each: int, num_steps: int):
    """Play every game by one program, `num_each` copies at a time, and return the events seen, [games, events]."""
    world, params = everything()
    play_one = jax.jit(play, static_argnums=(0, 1))
    seen = []
    for index, name in enumerate(GRID_GAMES):
        mine = jax.tree.map(lambda leaf, index=index: jnp.repeat(leaf[index][None], num_each, 0), params)
        wrong, events = play_one(world, num_steps, jax.random.key(index), mine)
        broken = np.flatnonzero(np.asarray(wrong).sum(0)).tolist()
        assert not broken, f"{name} breaks invariants {broken}"
        seen.append(np.asarray(events).sum(0))
    return np.stack(seen)


def test_there_are_many_games():
    assert len(names()) >= 40
    assert len({declare(name).family for name in names()}) >= 20


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_game_keeps_its_invariants_for_a_thousand_steps():
    events = check_all(32, 1000)
    quiet = [name for name, seen in zip(GRID_GAMES, events, strict=True) if not seen.any()]
    assert not quiet, f"in {quiet} nothing ever happened"


# ---- What is new needs no new program ------------------------------------------------------------------------

ORCHARD = Game(
    name="orchard",
    map="#########\n#P.aaa.P#\n#..aaa..#\n#P.ddd.P#\n#########",
    legend={"a": Cell("apple", site="tree"), "d": Cell("dirt")},
    num_agents=4,
    rules=[
        Rule(on=Enter("apple"), becomes="floor", reward=1.0, event="ate"),
        Rule(on=Struck("dirt", by="clean"), becomes="floor", reward=-0.1, reward_others=0.5, event="cleaned"),
    ],
    growth=[Growth("apple", on="tree", rate=(0.0, 0.5, 0.5, 0.5))],
    beams=[Beam("clean", length=3, half_width=1, cooldown=2)],
)


@functools.cache
def several():
    """Fewer games, for what does not take all: they compile faster."""
    return make(["commons_harvest_open", "clean_up", "coins", "storm"])


@pytest.mark.slow
@pytest.mark.parametrize("worlds", [several, everything])
def test_a_new_game_joins_a_compiled_batch_without_a_trace(worlds):
    world, params = worlds()
    same, orchard = compile_games([ORCHARD], world)
    assert same == world
    batch = jax.tree.map(lambda leaf: leaf[:4], params)
    state, _ = jax.vmap(world.reset)(jax.random.split(jax.random.key(0), 4), batch)
    rng = np.random.default_rng(0)
    action = rng.integers(1, 5, (41, 4, world.num_agents)).astype(np.int32)  # walk anywhere
    step_all(world, jax.random.split(jax.random.key(1), 4), batch, state, action[40])
    before = traces[world]
    batch = jax.tree.map(lambda many, one: many.at[1].set(one[0]), batch, orchard)
    state, _ = jax.vmap(world.reset)(jax.random.split(jax.random.key(2), 4), batch)
    eaten = 0
    for t in range(40):
        state, timestep = step_all(world, jax.random.split(jax.random.key(3 + t), 4), batch, state, action[t])
        eaten += int(timestep.events[1, :, world.event_names.index("ate")].sum())
    assert eaten > 0
    assert traces[world] == before


def test_a_game_that_does_not_fit_is_refused():
    world, _ = several()
    with pytest.raises(ValueError, match="orchard: height is 60; the world given has room for"):
        compile_games([dataclasses.replace(ORCHARD, map=ORCHARD.map + "\n#########" * 55)], world)


@pytest.mark.slow
@pytest.mark.parametrize("worlds", [several, everything])
def test_a_trained_policy_plays_a_game_it_never_saw(worlds):
    """One vocabulary, one action set, one observation: weights move as they are."""
    world, params = worlds()
    situations = jax.tree.map(lambda leaf: leaf[:4], params)
    config = TrainConfig(
        num_members=2, num_envs=4, num_steps=4, num_rounds=1, rounds_per_chunk=1, network=NetworkConfig(8, 8)
    )
    config = dataclasses.replace(config, ppo=dataclasses.replace(config.ppo, num_minibatches=1))
    program = assemble(config, world, situations)
    state, _ = compiled(program.chunk)(program.init(), program.situations)
    _, unseen = compile_games([ORCHARD], world)
    policy = default_policy(config.network, world, unseen)
    unseen = jax.tree.map(lambda leaf: jnp.repeat(leaf, 2, 0), unseen)
    table = Table(world, policy, 2, (), 1, 2)
    place = jnp.arange(2 * world.num_agents, dtype=jnp.int32).reshape(1, 2, -1)
    key = jax.random.split(jax.random.key(1), 1)
    start = begin(table, key, unseen)
    mind = jax.tree.map(lambda leaf: leaf[:1], state.population.mind)
    _, experience = compiled(unroll, static_argnums=(0, 1))(
        table, 30, jax.random.clone(key), unseen, mind, seating_of(place), start
    )
    action, mask = np.asarray(experience.trajectory.action), np.asarray(experience.trajectory.percept.action_mask)
    assert np.take_along_axis(mask, action[..., None], -1).all()
    assert np.asarray(experience.ledger.events).sum() > 0
