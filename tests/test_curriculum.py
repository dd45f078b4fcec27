"""What is played next: frequencies against their formula, scores against plain loops, and what is kept."""

from __future__ import annotations

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from resuming import resume
from scipy import stats

from softsim import HyperConfig, NetworkConfig, PPOConfig, TrainConfig, UserError, assemble, make
from softsim.curriculum import (
    CurriculumConfig,
    Evidence,
    Levels,
    Sampler,
    grid_sampler,
    join,
    learn,
    levels_of,
    listed,
    matrix_sampler,
    observe,
    on_manifold,
    priorities,
    propose,
    start,
    worth,
)
from softsim.envs import MatrixWorld, manifold
from softsim.evaluation.outcomes import mixed_play
from softsim.learners.ppo import Hyper
from softsim.presets import RunConfig

compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
weigh = compiled(priorities)

NUMBERS = Sampler(
    draw=lambda key: jax.random.uniform(key),
    params=lambda situation: {"payoff": situation},
    edit=lambda key, situation, step, jitter: situation + step,
)
"""Situations are numbers from 0 to 1; edited ones are beyond."""

SCORES = [0.2, -np.inf, 3.0, 0.2, -1.0, np.inf, 0.7]
PLAYED = [4, 0, 9, 2, 9, 0, 7]


def levels_with(scores, played=None, width: int = 1) -> Levels:
    """Levels whose situations are their numbers, 0.0, 0.01, ..."""
    size = len(scores)
    empty = levels_of(jnp.arange(size) / 100.0, -jnp.inf, width)
    played = jnp.zeros(size, jnp.int32) if played is None else jnp.int32(played)
    return dataclasses.replace(empty, score=jnp.float32(scores), played=played)


def formula(scores, played, now, temperature, staleness) -> np.ndarray:
    """That of Jiang et al. 2021, one level after the other."""
    there = [score > -np.inf for score in scores]
    rank = [1 + sum(other > score for other in scores) for score in scores]
    weight = np.array([here * r ** (-1 / temperature) for here, r in zip(there, rank, strict=True)])
    age = np.array([here * (now - last) for here, last in zip(there, played, strict=True)], float)
    return (1 - staleness) * weight / weight.sum() + staleness * age / age.sum()


@pytest.mark.parametrize(("temperature", "staleness"), [(0.3, 0.3), (1.0, 0.0), (2.0, 1.0), (1e9, 0.0)])
def test_priorities(temperature, staleness):
    numbers = jnp.float32(temperature), jnp.float32(staleness)
    found = weigh(jnp.float32(SCORES), jnp.int32(PLAYED), jnp.int32(10), *numbers)
    np.testing.assert_allclose(found, formula(SCORES, PLAYED, 10, temperature, staleness), rtol=1e-5, atol=1e-12)


def test_priorities_of_no_levels_and_of_levels_just_played():
    half = jnp.float32(0.5)
    assert weigh(jnp.full(3, -jnp.inf), jnp.zeros(3, jnp.int32), jnp.int32(4), half, half).tolist() == [0, 0, 0]
    found = weigh(jnp.float32([1, 1, -jnp.inf]), jnp.int32([4, 4, 0]), jnp.int32(4), half, half)
    assert found.tolist() == [0.5, 0.5, 0.0]


@functools.partial(compiled, static_argnums=(0, 1, 3))
def proposing(config, sampler, levels, envs: int):
    return propose(jax.random.key(0), config, sampler, levels, jnp.int32(10), envs)


def proposals(config, sampler, levels, envs: int):
    return map(np.asarray, proposing(config, sampler, levels, envs))


def test_replays_are_as_frequent_as_their_priorities_say():
    config = CurriculumConfig("replay", size=7, replay=0.8, fill=0.5, edits=0.25, step=5.0)
    level, situation = proposals(config, NUMBERS, levels_with(SCORES, PLAYED), 40000)
    replayed = level < 7
    assert abs(replayed.sum() - 32000) < 4 * math.sqrt(40000 * 0.8 * 0.2)
    count = np.bincount(level[replayed], minlength=7)
    expected = formula(SCORES, PLAYED, 10, 0.3, 0.3) * count.sum()
    assert count[1] == expected[1] == 0
    there = expected > 0
    assert stats.chi2.sf(((count - expected) ** 2 / np.where(there, expected, 1)).sum(), there.sum() - 1) > 1e-4
    np.testing.assert_allclose(situation[replayed], level[replayed] / 100, rtol=1e-6)
    assert (level[~replayed] == 7 + np.flatnonzero(~replayed)).all()
    edited = situation[~replayed] >= 5
    assert abs(edited.sum() - 0.25 * len(edited)) < 4 * math.sqrt(len(edited) * 0.25 * 0.75)
    source = np.bincount(np.rint((situation[~replayed][edited] - 5) * 100).astype(int), minlength=7)
    expected = formula(SCORES, PLAYED, 10, 0.3, 0.3) * source.sum()
    assert stats.chi2.sf(((source - expected) ** 2 / np.where(there, expected, 1)).sum(), there.sum() - 1) > 1e-4
    assert stats.kstest(situation[~replayed][~edited], "uniform").pvalue > 1e-4


def test_nothing_is_replayed_or_edited_before_there_are_enough():
    config = CurriculumConfig("replay", size=4, replay=1.0, fill=0.5, edits=1.0, step=5.0)
    few, enough = (levels_with([1.0] * there + [-np.inf] * (4 - there)) for there in (1, 2))
    level, situation = proposals(config, NUMBERS, few, 50)
    assert (level == 4 + np.arange(50)).all()
    assert (situation < 1).all()
    level, _ = proposals(config, NUMBERS, enough, 50)
    assert set(level) == {0, 1}


def test_domain_randomisation_keeps_nothing():
    config = CurriculumConfig("random")
    assert start(config, NUMBERS, 3) == ()
    _, situation = proposals(config, NUMBERS, (), 5000)
    assert stats.kstest(situation, "uniform").pvalue > 1e-4


def test_of_a_list_all_is_kept_and_what_was_not_played_comes_first():
    games = {"payoff": jnp.arange(5.0)}
    config = CurriculumConfig("replay", size=2, replay=0.5, staleness=0.0)
    sampler = listed(games)
    levels = start(config, sampler, 3)
    assert isinstance(levels, Levels)
    assert levels.situation.tolist() == list(range(5))
    levels = dataclasses.replace(levels, score=jnp.float32([1, np.inf, 3, np.inf, 2]))
    level, situation = proposals(config, sampler, levels, 20000)
    assert (level == situation).all()
    count, expected = np.bincount(level, minlength=5), 20000 * formula(levels.score.tolist(), [0] * 5, 1, 0.3, 0.0)
    assert stats.chi2.sf(((count - expected) ** 2 / expected).sum(), 4) > 1e-4
    assert sampler.params(jnp.int32(3))["payoff"] == 3.0


# Evidence: random play of two learners and one who does not learn, at four tables for two.

P, S, T, SITTING = 2, 3, 12, np.array([[0, 1], [1, 0], [0, 2], [2, 1]])
PLACE = np.array([[0, 3, 4], [1, 2, 7]], np.int32)  # of members 0 and 1


def made_up(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    last = random.random((P, S, T + 1)) < 0.25
    last[..., 0] = False
    first = np.concatenate([np.ones((P, S, 1), bool), last[..., :-2]], -1)
    return {
        "reward": np.where(last[..., :-1], 0.0, random.normal(size=(P, S, T))).astype(np.float32),
        "discount": (random.random((P, S, T)) < 0.9).astype(np.float32),
        "value": random.normal(size=(P, S, T + 1)).astype(np.float32),
        "last": last,
        "first": first,
        "agent_mask": random.random((P, S, T)) < 0.9,
    }


def by_hand(score: str, watched: dict[str, np.ndarray], gamma: float, decay: float, success: float):
    """Total, weight and best of each table, seat by seat and step by step."""
    width = 3 if score == "partners" else 1
    total, weight, best = np.zeros((4, width)), np.zeros((4, width)), np.full(4, -np.inf)
    for p in range(P):
        for s in range(S):
            env, slot = divmod(int(PLACE[p, s]), 2)
            column = SITTING[env, 1 - slot] if width == 3 else 0
            reward, discount, value, last, first, mask = (
                watched[name][p, s] for name in ("reward", "discount", "value", "last", "first", "agent_mask")
            )
            ahead, returns, running = 0.0, value[T], 0.0
            for t in reversed(range(T)):
                if last[t]:
                    ahead, returns = 0.0, value[t]
                    continue
                delta = reward[t] + gamma * discount[t] * value[t + 1] - value[t]
                ahead = delta + gamma * decay * discount[t] * ahead
                returns = reward[t] + gamma * discount[t] * returns
                if score == "advantage" and mask[t]:
                    total[env, 0] += max(ahead, 0.0)
                    weight[env, 0] += 1
                if score == "max_mc" and mask[t]:
                    total[env, 0] += value[t]
                    weight[env, 0] += 1
                    best[env] = max(best[env], returns) if first[t] else best[env]
            for t in range(T):
                running = 0.0 if first[t] else running
                if last[t] or not mask[t]:
                    continue
                running += reward[t]
                if score == "success" and last[t + 1]:
                    total[env, 0] += running > success
                    weight[env, 0] += 1
                if score == "partners":
                    total[env, column] += reward[t]
                    weight[env, column] += first[t]
    return total, weight, best


@pytest.mark.parametrize("score", ["advantage", "max_mc", "success", "partners"])
def test_evidence_is_what_a_plain_loop_counts(score):
    config, watched = CurriculumConfig("replay", score=score, success=0.3), made_up()
    numbers = dict.fromkeys((field.name for field in dataclasses.fields(Hyper)), jnp.full(P, 0.5))
    hyper = Hyper(**numbers | {"gamma": jnp.full(P, 0.9), "gae_lambda": jnp.full(P, 0.7)})
    width = 3 if score == "partners" else 1
    look = compiled(lambda watched: observe(config, width, hyper, watched, jnp.int32(SITTING), jnp.asarray(PLACE)))
    found = look({name: jnp.asarray(leaf) for name, leaf in watched.items()})
    expected = by_hand(score, watched, 0.9, 0.7, 0.3)
    for leaf, hand in zip((found.total, found.weight, found.best), expected, strict=True):
        np.testing.assert_allclose(leaf, hand, rtol=1e-4, atol=1e-5)


def test_segments_of_a_round_are_put_one_after_the_other():
    whole = np.arange(2 * 3 * 4 * 10).reshape(2, 3, 4, 10)
    value = np.concatenate([whole, whole[..., :1]], -1)
    cut = {"reward": np.stack([whole[..., :5], whole[..., 5:]]), "value": np.stack([value[..., :6], value[..., 5:]])}
    again = compiled(join)(cut)
    assert again["reward"].tolist() == whole.tolist()
    assert again["value"].tolist() == value.tolist()


def test_worth():
    total, weight, best = jnp.float32([[6.0], [0.0]]), jnp.float32([[8.0], [0.0]]), jnp.float32([2.0, 1.0])
    assert worth("advantage", total, weight, best).tolist() == [0.75, 0.0]
    assert worth("max_mc", total, weight, best).tolist() == [1.25, 1.0]
    assert worth("success", total, weight, best).tolist() == [0.75 * 0.25, 0.0]
    met = jnp.float32([[2.0, 0.0, 1.0], [0.0, 0.0, 4.0], [0.0, 0.0, 0.0]])
    paid = jnp.float32([[8.0, 0.0, 10.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]])
    assert worth("partners", paid, met, best).tolist() == [9.0, 0.0, 0.0]  # of 4 and 10


def test_the_best_levels_are_kept():
    """Level 1 is played at two tables, a new one is good, one is bad, at one table nobody learns."""
    config = CurriculumConfig("replay", memory=0.5)
    levels = dataclasses.replace(
        levels_with([5.0, 1.0, 2.0], [3, 4, 5]), total=jnp.float32([[5], [4], [2]]), weight=jnp.float32([[1], [4], [1]])
    )
    level, situation = jnp.int32([1, 4, 1, 6, 7]), jnp.float32([0.01, 0.5, 0.01, 0.7, 0.9])
    total, weight = jnp.float32([[2], [9], [6], [1], [0]]), jnp.float32([[1], [2], [1], [1], [0]])
    evidence = Evidence(total, weight, jnp.float32([1, 2, 3, 4, 5]))
    after = compiled(lambda *given: learn(config, *given))(levels, level, situation, evidence, jnp.int32(9))
    np.testing.assert_allclose(after.situation, [0.0, 0.5, 0.01], rtol=1e-6)
    np.testing.assert_allclose(after.score, [5.0, 4.5, (0.5 * 4 + 8) / (0.5 * 4 + 2)])
    assert after.played.tolist() == [3, 9, 9]
    assert after.total[:, 0].tolist() == [5, 9, 10]
    assert after.weight[:, 0].tolist() == [1, 2, 4]
    assert after.best.tolist() == [-np.inf, 2.0, 3.0]


def test_a_score_that_is_no_number_comes_last_but_is_kept():
    config, levels = CurriculumConfig("replay"), levels_with([1.0, -np.inf])
    evidence = Evidence(jnp.float32([[np.nan]]), jnp.ones((1, 1)), jnp.zeros(1))
    after = compiled(lambda *given: learn(config, *given))(
        levels, jnp.int32([2]), jnp.float32([0.5]), evidence, jnp.int32(1)
    )
    assert after.situation.tolist() == [0.0, 0.5]
    assert -np.inf < float(after.score[1]) < -1e30


@pytest.mark.slow
def test_edits_of_games_walk_as_far_as_they_should_and_not_into_what_is_held_out():
    region = manifold.Cells(tuple(range(48)))
    sampler = matrix_sampler(hold_out=region)
    keys = jax.random.split(jax.random.key(0), (2, 400))
    assert sampler.edit is not None
    edit = sampler.edit

    @compiled
    @jax.vmap
    def both(key_draw, key_edit):
        before = sampler.draw(key_draw)
        after = edit(key_edit, before, 0.3, 0.1)
        held = region.contains(after.direction) | region.contains(manifold.felt(after))
        walked = jnp.arccos(jnp.clip((before.direction * after.direction).sum(1), -1.0, 1.0))
        return held, walked, sampler.params(after).payoff

    held, walked, payoff = map(np.asarray, both(*keys))
    assert not held.any()
    same = np.abs(walked).max(1) < 1e-3
    np.testing.assert_allclose(walked[~same], 0.3, atol=1e-3)
    assert 20 < same.sum() < 200
    np.testing.assert_allclose(payoff.mean(2), 0.0, atol=1e-5)
    np.testing.assert_allclose(payoff.std(2), 1.0, rtol=1e-4)


CONFIG = TrainConfig(
    num_populations=2,
    num_members=3,
    num_envs=6,
    num_steps=6,
    updates_per_round=2,
    num_rounds=4,
    rounds_per_chunk=2,
    network=NetworkConfig(hidden=8, memory=8),
    ppo=PPOConfig(num_epochs=1, num_minibatches=1),
    hyper=HyperConfig(learning_rate=1e-2),
)


def program_of(plan: CurriculumConfig, name: str = "matrix_manifold", config: TrainConfig = CONFIG):
    return RunConfig((name,), horizon=5, train=dataclasses.replace(config, curriculum=plan)).program()


KINDS = {
    "random": CurriculumConfig("random"),
    "plr": CurriculumConfig("replay", size=8),
    "accel": CurriculumConfig("replay", size=8, score="max_mc", edits=0.5),
    "sfl": CurriculumConfig("replay", size=4, score="success", temperature=1e6, staleness=0.0, replay=0.5),
    "partners": CurriculumConfig("replay", size=8, score="partners", memory=0.5),
}


REPEATED = manifold.MatrixPrior(
    rounds=(1000.0, 1000.0), tremble=(0.001, 0.001), kinship=(0.0, 0.0), observability=(1.0, 1.0), sequential=0.0,
    horizon=(12, 12),
)  # fmt: skip
LEARN = TrainConfig(
    num_populations=12,
    num_members=2,
    num_envs=32,
    num_steps=12,
    num_rounds=30,
    rounds_per_chunk=15,
    network=NetworkConfig(hidden=32, memory=32),
    ppo=PPOConfig(num_epochs=4, num_minibatches=2),
    hyper=HyperConfig(learning_rate=5e-3, gamma=0.9),
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_members_learn_to_play_games_they_have_not_met_and_go_on_where_they_stopped(kind, tmp_path):
    """Twelve rounds of games drawn uniformly, each for itself: 0 for those who cannot find out what pays, 4 or more for
    those who can. Sixteen other games are for the test."""
    sampler, plan = matrix_sampler(REPEATED), KINDS[kind]
    keys = jax.random.split(jax.random.key(5), 16)
    tests = compiled(jax.vmap(lambda key: sampler.params(sampler.draw(key))))(keys)
    config = dataclasses.replace(LEARN, curriculum=plan)
    program = assemble(config, MatrixWorld(2, ("cooperate", "defect")), tests, sampler=sampler)
    first, last, metrics = resume(program, tmp_path)
    returns, populations = [], LEARN.num_populations
    for state in (first, last):
        keys = jax.random.split(jax.random.key(9), populations)
        returns.append(np.asarray(mixed_play(program.table, 12, keys, tests, program.minds(state))["return"]))
    gain = (returns[1] - returns[0]).mean(1)
    assert gain.mean() > 2.0
    assert gain.mean() > 4 * gain.std(ddof=1) / populations**0.5
    if plan.kind == "random":
        assert last.levels == ()
        return
    levels = last.levels
    assert levels.score.shape == (populations, plan.size)
    assert (jnp.diff(levels.score) <= 0).all()
    assert (levels.score > -jnp.inf).all()
    assert int(levels.played.max()) == 29
    assert abs(metrics["replayed"].mean() - plan.replay) < 0.1
    np.testing.assert_allclose(jnp.linalg.norm(levels.situation.direction, axis=-1), 1.0, rtol=1e-4)


@pytest.mark.slow
def test_grids_are_drawn_and_edited(tmp_path):
    config = dataclasses.replace(CONFIG, num_populations=1, num_members=2, num_envs=4, num_steps=5, updates_per_round=1)
    program = program_of(CurriculumConfig("replay", size=3, edits=0.5, fill=0.3), "grid_manifold", config)
    _, last, metrics = resume(program, tmp_path)
    assert np.isfinite(metrics["return"]).all()
    assert (last.levels.score > -jnp.inf).all()
    assert last.levels.situation[0].dtype == jnp.uint32


@pytest.mark.slow
def test_named_games_are_replayed_and_none_is_forgotten(tmp_path):
    """More games than environments: all are played before any is played again, in every population."""
    world, situations = make(list(manifold.CELLS[:12]), horizon=5)
    plan = CurriculumConfig("replay", staleness=0.0)
    program = assemble(dataclasses.replace(CONFIG, curriculum=plan), world, situations)
    _, last, metrics = resume(program, tmp_path)
    assert (metrics["replayed"] == 1.0).all()
    assert np.sort(last.levels.situation, 1).tolist() == [list(range(12))] * 2
    assert jnp.isfinite(last.levels.score).all()


@pytest.mark.parametrize(
    ("plan", "sampler", "said"),
    [
        (CurriculumConfig(), None, "num_envs: 6 environments cannot hold 7 situations"),
        (CurriculumConfig(), NUMBERS, "curriculum.kind: 'fixed', and a sampler is given"),
        (CurriculumConfig("replay", edits=0.5), None, "curriculum.edits: 0.5; the situations at hand"),
        (CurriculumConfig("replay", edits=0.5), grid_sampler(hold_out=manifold.Box.of(kinship=(0.5, 1.0))), "edits"),
        (CurriculumConfig("replay", temperature=0.0), None, "curriculum.temperature: 0.0"),
        (CurriculumConfig("replay", replay=1.5), None, "curriculum.replay: 1.5"),
        (dataclasses.replace(KINDS["plr"], kind="new"), None, "curriculum.kind: 'new'; allowed are 'fixed'"),
    ],
)  # fmt: skip
def test_curricula_that_cannot_be_meant(plan, sampler, said):
    world, situations = make(list(manifold.CELLS[:7]), horizon=5)
    with pytest.raises(UserError, match=said):
        assemble(dataclasses.replace(CONFIG, curriculum=plan), world, situations, sampler=sampler)


def test_manifolds_by_name():
    world, situations, sampler = on_manifold("matrix_manifold", 9, 4)
    assert (world.num_agents, situations.payoff.shape, situations.horizon.tolist()) == (2, (4, 2, 4), [9] * 4)
    assert int(sampler.draw(jax.random.key(0)).horizon) == 9
    with pytest.raises(UserError, match="num_agents: 3; matrix_manifold has its own"):
        RunConfig(("matrix_manifold",), num_agents=3).program()
    with pytest.raises(UserError, match="show_identity: False; matrix_manifold has its own"):
        RunConfig(("matrix_manifold",), show_identity=False).program()
