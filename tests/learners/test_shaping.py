"""Shaping: advantages aligned as written, carried to the right seats; exact learners against finite differences."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim import HyperConfig, NetworkConfig, PPOConfig, TrainConfig, assemble, make, rollout
from softsim.learners import exact_shaping, meta_shaping, shaping, strategies
from softsim.learners.exact_shaping import AlignmentConfig, TeacherConfig, lola_step, naive_step
from softsim.learners.opponent import OpponentConfig
from softsim.learners.ppo import advantages, played_of, ppo
from softsim.rewards import RewardConfig
from softsim.theory import memory_one
from softsim.train import improve, regard_others
from softsim.types import UserError

compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})

GAMMA, WEIGHT = 0.9, 0.7
FORMS = ("advantage_alignment", "advantage_alignment_released")


def by_hand(form: str, own: np.ndarray, others: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The formulas of `shaping`, sum by sum."""
    found, start = own.copy(), 0
    for t in range(len(own)):
        past = own[start:t]
        if form == "advantage_alignment":
            share = GAMMA * sum(GAMMA ** (t - start - k) * gained for k, gained in enumerate(past))
        else:
            share = past.mean() if len(past) else 0.0
        found[t] += WEIGHT * share * others[t]
        start = t + 1 if last[t] else start
    return found


@pytest.mark.parametrize("form", FORMS)
def test_alignment_is_as_written(form):
    random = np.random.default_rng(0)
    own, others = random.normal(size=(2, 20)).astype(np.float32)
    last = np.isin(np.arange(20), (4, 11, 12))
    own[last] = 0.0
    found = shaping.align(form, *map(jnp.asarray, (own, others, last)), jnp.float32(GAMMA), jnp.float32(WEIGHT))
    np.testing.assert_allclose(found, by_hand(form, own, others, last), atol=1e-5)


# ---- In a population -----------------------------------------------------------------------------------------------

CONFIG = TrainConfig(
    num_populations=2,
    num_members=2,
    num_envs=6,
    num_steps=9,
    num_rounds=1,
    rounds_per_chunk=1,
    network=NetworkConfig(4, 4, recurrence="none", opponent=OpponentConfig("none", condition=False)),
    ppo=PPOConfig(num_epochs=1, num_minibatches=1, shaping="advantage_alignment"),
    hyper=HyperConfig(shaping_weight=0.0),
)


@functools.cache
def experienced():
    """Two learners and one scripted member at tables for two, and what they lived through."""
    world, params = make(["prisoners_dilemma"], horizon=4)
    program = assemble(CONFIG, world, params, [strategies.tit_for_tat(2, 2)])
    random = np.random.default_rng(1)
    place = np.stack([random.permutation(12).reshape(3, 4) for _ in range(2)]).astype(np.int32)
    seating = rollout.seating_of(jnp.asarray(place))
    params = jax.tree.map(lambda leaf: jnp.repeat(leaf, 12, 0), params)

    @compiled
    def live():
        people = program.init().population
        key_begin, key_play = (jax.random.split(jax.random.key(seed), 2) for seed in (0, 1))
        play = rollout.begin(program.table, key_begin, params)
        unrolled = rollout.unroll(program.table, CONFIG.num_steps, key_play, params, people.mind, seating, play)
        return people, unrolled[1].trajectory

    return program, place, seating, *live()


def told(form: str):
    program, _, seating, people, trajectory = experienced()
    return compiled(regard_others, static_argnums=(0, 1))(program.table, form, seating, people.hyper, trajectory)


@pytest.mark.parametrize("form", FORMS)
def test_everybody_is_told_the_advantages_of_the_learners_at_its_table(form):
    _, place, _, people, trajectory = experienced()
    found = told(form).others_advantage
    compare = jax.jit(lambda hyper, lived: shaping.compared(form, advantages(hyper, lived), played_of(lived)))
    for n, p, s in np.ndindex(2, 2, 4):
        opposite = place[n, p, s] ^ 1
        member, seat = np.argwhere(place[n] == opposite)[0]
        if member == 2:  # tit for tat does not learn
            np.testing.assert_array_equal(found[n, p, s], 0.0)
            continue
        numbers, lived = jax.tree.map(lambda leaf, n=n, m=member: leaf[n, m], (people.hyper, trajectory))
        expected = compare(numbers, lived)[seat]
        np.testing.assert_allclose(found[n, p, s], expected, atol=1e-6)
        assert (np.asarray(expected)[np.asarray(lived.last[seat, :-1])] == 0).all()


def test_a_weight_of_zero_is_plain_ppo():
    program, _, _, people, trajectory = experienced()
    plain = ppo(program.table.policy, PPOConfig(num_epochs=1, num_minibatches=1))

    @functools.partial(compiled, static_argnums=0)
    def learned(learner, trajectory, weight):
        hyper = dataclasses.replace(people.hyper, shaping_weight=people.hyper.shaping_weight + weight)
        key = jax.random.split(jax.random.key(2), 2)
        return improve(learner, key, dataclasses.replace(people, hyper=hyper), trajectory)[0].mind

    shaped = told("advantage_alignment")
    minds = (
        learned(plain, trajectory, 0.0),
        learned(program.learner, shaped, 0.0),
        learned(program.learner, shaped, 1.0),
    )
    same, found, other = (jax.tree.leaves(mind) for mind in minds)
    for left, right in zip(same, found, strict=True):
        np.testing.assert_allclose(right, left, atol=1e-6)
    assert any(np.abs(right - left).max() > 1e-4 for left, right in zip(same, other, strict=True))


def test_a_learner_that_shapes_needs_to_be_told():
    program, _, _, people, trajectory = experienced()
    with pytest.raises(UserError, match="needs the others' advantages"):
        improve(program.learner, jax.random.split(jax.random.key(0), 2), people, trajectory)


def test_shaping_has_to_mean_something():
    world, params = make(["prisoners_dilemma"])
    with pytest.raises(UserError, match="num_members must be at least 2"):
        assemble(dataclasses.replace(CONFIG, num_members=1), world, params)
    sharing = dataclasses.replace(params.sharing, weights=jnp.ones((1, 2, 2)))
    with pytest.raises(UserError, match="share one reward"):
        assemble(CONFIG, world, dataclasses.replace(params, sharing=sharing))
    with pytest.raises(UserError, match="share one reward"):
        assemble(dataclasses.replace(CONFIG, reward=RewardConfig("common")), world, params)


# ---- Exact learners ------------------------------------------------------------------------------------------------

PAYOFF, DISCOUNT = jnp.array([-1.0, -3.0, 0.0, -2.0]), jnp.float32(0.9)


def draw_minds(seed: int) -> tuple[jax.Array, jax.Array]:
    return tuple(jax.random.normal(jax.random.key(seed), (2, 5)))


def total(own, other) -> np.ndarray:
    """Discounted sums of both, in float64: start (I - discount M)^-1 u."""
    p, q = (1 / (1 + np.exp(-np.asarray(mind, np.float64))) for mind in (own, other))
    q = q[[0, 2, 1, 3, 4]]
    moves = np.stack([p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)], 1)
    often = np.linalg.solve(np.eye(4) - float(DISCOUNT) * moves[:4].T, moves[4])
    return np.array([often @ [-1, -3, 0, -2], often @ [-1, 0, -3, -2]])


def slope(function, at: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """Gradient by central differences."""
    at = np.asarray(at, np.float64)
    return np.array([(function(at + step * e) - function(at - step * e)) / (2 * step) for e in np.eye(5)])


def test_lola_looks_one_step_ahead():
    """Its step is that of one's own value, plus that of the first-order gain from the other's step."""
    own, other = draw_minds(0)
    gain = slope(lambda x: total(x, other)[0], own)
    worth = slope(lambda y: total(own, y)[0], other)

    def lesson(x):
        return slope(lambda y: total(x, y)[1], other) @ worth

    step = slope(lesson, own, 1e-3)
    naive = compiled(functools.partial(naive_step, PAYOFF, DISCOUNT, 0.5))(own, other)
    np.testing.assert_allclose(naive - own, 0.5 * gain, rtol=1e-2, atol=1e-3)
    lola = compiled(functools.partial(lola_step, PAYOFF, DISCOUNT, 0.5))
    found = lola(3.0, own, other)
    np.testing.assert_allclose(found - own, 0.5 * (gain + 3.0 * step), rtol=1e-2, atol=1e-2)
    np.testing.assert_allclose(lola(0.0, own, other), naive, atol=1e-6)


def test_policy_gradients_from_matches_are_gradients_of_the_value():
    own, other = draw_minds(1)
    config = AlignmentConfig(num_rounds=80)
    keys = jax.random.split(jax.random.key(3), 4000)
    gradient = jax.vmap(
        lambda key: exact_shaping.match_gradient(
            key, config, PAYOFF, DISCOUNT, jnp.float32(0.0), jnp.stack([own, other])
        )
    )
    sample = np.asarray(compiled(gradient)(keys))
    expected = slope(lambda x: total(x, other)[0], own), slope(lambda y: total(own, y)[1], other)
    error = sample.std(0) / np.sqrt(len(sample))
    assert (np.abs(sample.mean(0) - np.stack(expected)) < 4 * error + 1e-3).all()


def test_advantages_of_what_is_expected_are_zero():
    own, other = draw_minds(2)
    moves = memory_one.joint_moves(jax.nn.sigmoid(own), jax.nn.sigmoid(other))
    gained = exact_shaping.joint_advantages(PAYOFF, DISCOUNT, moves)
    np.testing.assert_allclose((gained * moves[None]).sum(-1), 0.0, atol=1e-4)


@pytest.mark.slow
def test_a_teacher_gets_more_than_it_began_with():
    step = functools.partial(naive_step, PAYOFF, DISCOUNT, 1.0)
    config = TeacherConfig(num_lessons=20, num_pupils=4, num_updates=30, learning_rate=0.2)
    raised = compiled(lambda key: exact_shaping.raise_teacher(key, step, PAYOFF, DISCOUNT, config))(jax.random.key(0))
    pupils = jax.random.normal(jax.random.key(1), (16, 5))

    @compiled
    def taught(teacher):
        teach = functools.partial(exact_shaping.teach, step, PAYOFF, DISCOUNT, teacher, num_steps=20)
        return jax.vmap(teach)(pupils).mean((0, 1))[0]

    assert taught(raised) > taught(jnp.zeros(5)) + 0.3


# ---- Meta-episodes -------------------------------------------------------------------------------------------------


def test_an_undecided_shaper_is_an_undecided_teacher():
    step = functools.partial(naive_step, PAYOFF, DISCOUNT, 1.0)
    pupil = draw_minds(3)[0]
    reward, minds = meta_shaping.meta_episode(step, PAYOFF, DISCOUNT, meta_shaping.found_shaper(3), pupil, 6)
    np.testing.assert_array_equal(minds, 0.0)
    taught = exact_shaping.teach(step, PAYOFF, DISCOUNT, jnp.zeros(5), pupil, 6)
    np.testing.assert_allclose(reward, taught, rtol=1e-5)


def test_a_shaper_remembers_through_the_meta_episode():
    """One that counts games in its memory changes its mind though its pupil stays the same."""
    shaper = dataclasses.replace(
        meta_shaping.found_shaper(1),
        perceive=jnp.zeros((11, 1)).at[-1].set(0.1),
        recall=jnp.ones((1, 1)),
        choose=jnp.zeros((2, 5)).at[0].set(1.0),
    )
    _, minds = meta_shaping.meta_episode(lambda pupil, mind: pupil, PAYOFF, DISCOUNT, shaper, jnp.zeros(5), 5)
    assert (np.diff(np.asarray(minds)[:, 0]) > 0.02).all()


def test_an_evolution_strategy_finds_the_top():
    """The fitness is a step function of a parabola with noise, which has no gradient."""
    top = {"a": jnp.array([1.0, -2.0]), "b": jnp.float32(0.5)}

    def fitness(key, params):
        far = sum(((params[name] - top[name]) ** 2).sum() for name in top)
        return -jnp.round(10.0 * (far + 0.1 * jax.random.normal(key)))

    plan = meta_shaping.StrategyConfig(num_pairs=16, num_generations=150, deviation=0.1, learning_rate=0.05)
    begin = jax.tree.map(jnp.zeros_like, top)
    found = compiled(lambda key: meta_shaping.evolve(key, plan, fitness, begin))(jax.random.key(0))
    for name, value in top.items():
        np.testing.assert_allclose(found[name], value, atol=0.15)
