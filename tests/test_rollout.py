"""Play against a plain Python loop, seat by seat; and crowds against the few of them alone."""

from __future__ import annotations

import collections
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim import (
    HyperConfig,
    Learner,
    NetworkConfig,
    Policy,
    PPOConfig,
    SelectionConfig,
    Timestep,
    TrainConfig,
    assemble,
    make,
    rollout,
)
from softsim.learners import categorical, strategies
from softsim.train import Program, TrainState, improve, lay_out
from softsim.types import Output, Percept

compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


begin = compiled(rollout.begin, static_argnums=0)
unroll = compiled(rollout.unroll, static_argnums=(0, 1))


def row(tree, *index):
    return jax.tree.map(lambda leaf: leaf[index], tree)


def assert_same(left, right, atol=0.0):
    """Compare two pytrees: whole numbers and truths exactly, others to `atol`."""
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(left), jax.tree.leaves(right), strict=True):
        if jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        a, b = np.asarray(a), np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype), jax.tree_util.keystr(path)
        close = atol if np.issubdtype(a.dtype, np.floating) else 0
        np.testing.assert_allclose(a, b, rtol=0, atol=close, err_msg=jax.tree_util.keystr(path))


# A fair, at which everything is random: who is in play, what may be done, what is paid, when it ends.

N, E, A, K, T = 2, 2, 3, 3, 14
P, M, S = 2, 3, 2  # two learners and one scripted member, two seats each


@dataclasses.dataclass(frozen=True)
class Fair:
    num_agents: int = A
    num_actions: int = K

    def reset(self, key, params):
        return jnp.int32(0), self._show(key, params, jnp.zeros(A, jnp.int32), jnp.int32(0))

    def step(self, key, params, state, action):
        return state + 1, self._show(key, params, action, state + 1)

    def _show(self, key, params, action, t):
        see, play, allow, pay, end, stop = jax.random.split(key, 6)
        first = t == 0
        paid = jnp.where(first, 0.0, jax.random.normal(pay, (A,)) + action)
        return Timestep(
            observation={"noise": jax.random.normal(see, (A, 2)), "time": jnp.full(A, t)},
            reward=paid * params,
            payoff=paid,
            discount=jax.random.bernoulli(end, 0.8, (A,)).astype(jnp.float32),
            agent_mask=jax.random.bernoulli(play, 0.8, (A,)),
            action_mask=jax.random.bernoulli(allow, 0.5, (A, K)) | jnp.eye(A, K, dtype=bool),
            first=first,
            last=~first & jax.random.bernoulli(stop, 0.3),
            events=jax.nn.one_hot(action, K, dtype=jnp.int32) * ~first,
        )


def reader() -> Policy:
    """A mind that counts its percepts since the episode began, and reads all it says off that count and the noise."""

    def init(key):
        key_act, key_guess = jax.random.split(key)
        return {"act": jax.random.normal(key_act, (K, 3)), "guess": jax.random.normal(key_guess, ((A - 1) * K, 3))}

    def apply(params, carry, percept):
        carry = jnp.where(percept.first, 0.0, carry) + 1.0
        seen = jnp.append(percept.observation["noise"], 0.1 * carry)
        guess = (params["guess"] @ seen).reshape(A - 1, K)
        return carry, Output(params["act"] @ seen, carry + params["act"][0, 0], guess)

    return Policy(init=init, start=lambda: jnp.float32(0.0), apply=apply)


FAIR = rollout.Table(Fair(), reader(), P, (strategies.random(K, A),), N, E)
WORTH = jnp.linspace(0.5, 2.0, N * E)  # the params: each environment pays otherwise


def fair_keys():
    """Keys [N] to begin and keys [N] to play."""
    return jax.random.split(jax.random.key(2), N), jax.random.split(jax.random.key(3), N)


@functools.cache
def at_the_fair():
    """Play T steps; returns the minds, the places and the experience."""
    minds = jax.vmap(jax.vmap(FAIR.policy.init))(jax.random.split(jax.random.key(1), (N, P)))
    random = np.random.default_rng(0)
    place = np.stack([random.permutation(E * A).reshape(M, S) for _ in range(N)]).astype(np.int32)
    key_begin, key_play = fair_keys()
    begun = begin(FAIR, key_begin, WORTH)
    _, experience = unroll(FAIR, T, key_play, WORTH, minds, rollout.seating_of(jnp.asarray(place)), begun)
    return jax.device_get((minds, place, experience))


class PlainLoop:
    """One population at the fair, one environment and one seat at a time, written as one would explain it."""

    reset = staticmethod(jax.jit(FAIR.world.reset))
    step = staticmethod(jax.jit(FAIR.world.step))
    think = staticmethod(jax.jit(FAIR.policy.apply))

    def __init__(self, n: int, minds, place):
        self.mind = [row(minds, n, m) for m in range(P)]
        self.worth = WORTH[n * E : (n + 1) * E]
        self.sitter = {divmod(int(place[n, m, s]), A): (m, s) for m, s in np.ndindex(M, S)}
        self.carry = dict.fromkeys(np.ndindex(P, S), np.float32(0.0))
        self.rows = collections.defaultdict(list)  # (field, m, s) -> what happened, step by step
        self.ledger = collections.defaultdict(float)  # (field, e, a) -> sum
        self.score = collections.defaultdict(float)  # (field, m, s) -> sum
        key_begin, key_play = (keys[n] for keys in fair_keys())
        self.begin(key_begin)
        for t in range(T):
            key_act, key_world = jax.random.split(jax.random.fold_in(key_play, t))
            self.look(key_act)
            self.move(key_world)
        self.look(jax.random.key(0))

    def begin(self, key):
        begun = [self.reset(key, worth) for key, worth in zip(jax.random.split(key, E), self.worth, strict=True)]
        self.states, self.shown = [state for state, _ in begun], [jax.device_get(view) for _, view in begun]
        self.seen = {(e, a): self.shown[e].action_mask[a].astype(float) for e, a in self.sitter}

    def look(self, key):
        """Let everyone perceive, think and choose."""
        draws = [np.asarray(jax.random.uniform(jax.random.fold_in(key, m), (S,))) for m in range(M)]
        self.truth, self.guess, self.action = {}, {}, {}
        for (e, a), (m, s) in self.sitter.items():
            view, logits = self.shown[e], np.zeros(K)
            seen = jax.tree.map(lambda leaf, a=a: leaf[a], view.observation)
            percept = Percept(seen, view.reward[a], view.action_mask[a], view.first)
            if m < P:
                self.carry[m, s], output = jax.device_get(self.think(self.mind[m], self.carry[m, s], percept))
                logits, self.guess[e, a] = np.float64(output.logits), np.float64(output.opponent)
                self.note(m, s, percept=percept, last=view.last, value=output.value)
            weight = np.where(view.action_mask[a], np.exp(logits), 0.0)
            self.truth[e, a] = weight / weight.sum()
            self.action[e, a] = int((np.cumsum(self.truth[e, a]) <= draws[m][s]).sum())

    def note(self, m, s, **fields):
        for name, value in fields.items():
            self.rows[name, m, s].append(value)

    def move(self, key):
        """Step or reset every environment, and write down what came of it."""
        before = self.shown
        keys = jax.random.split(key, E)
        chooses = {
            (e, a): before[e].agent_mask[a] and before[e].action_mask[a].sum() > 1 and not before[e].last
            for e, a in self.sitter
        }
        self.shown = []
        for e in range(E):
            action = jnp.int32([self.action[e, a] for a in range(A)])
            if before[e].last:
                self.states[e], after = self.reset(keys[e], self.worth[e])
            else:
                self.states[e], after = self.step(keys[e], self.worth[e], self.states[e], action)
            self.shown.append(jax.device_get(after))
        for (e, a), (m, s) in self.sitter.items():
            after, others = self.shown[e], [(e, (a + 1 + j) % A) for j in range(A - 1)]
            self.ledger["reward", e, a] += after.reward[a]
            self.ledger["payoff", e, a] += after.payoff[a]
            self.ledger["events", e, a] += after.events[a]
            self.ledger["episodes", e, a] += before[e].first and before[e].agent_mask[a]
            if m < P:
                self.note(
                    m,
                    s,
                    action=self.action[e, a],
                    log_prob=np.log(self.truth[e, a][self.action[e, a]]),
                    reward=after.reward[a],
                    discount=after.discount[a],
                    agent_mask=before[e].agent_mask[a],
                    others_action=[self.action[other] for other in others],
                    others_mask=[chooses[other] for other in others],
                )
                if chooses[e, a]:
                    self.judge(m, s, self.guess[e, a], [other if chooses[other] else None for other in others])
        for (e, a), chose in chooses.items():
            if before[e].last:
                self.seen[e, a] = self.shown[e].action_mask[a].astype(float)
            elif chose:
                self.seen[e, a][self.action[e, a]] += 1.0

    def judge(self, m, s, guess, others):
        """Score the predictions of one seat about those of the others who choose."""
        for logits, other in zip(guess, others, strict=True):
            if other is None:
                continue
            model, truth, counts = logits - np.log(np.exp(logits).sum()), self.truth[other], self.seen[other]
            can = truth > 0
            self.score["count", m, s] += 1
            self.score["cross_entropy", m, s] -= model[self.action[other]]
            self.score["frequency", m, s] -= np.log(max(counts[self.action[other]], 1.0) / counts.sum())
            self.score["divergence", m, s] += (truth[can] * (np.log(truth[can]) - model[can])).sum()


@functools.cache
def by_hand() -> list[PlainLoop]:
    minds, place, _ = at_the_fair()
    return [PlainLoop(n, minds, place) for n in range(N)]


LEARNT = ["action", "log_prob", "reward", "discount", "value", "last", "agent_mask", "others_action", "others_mask"]


@pytest.mark.parametrize("field", LEARNT)
def test_trajectories_equal_a_plain_loop(field):
    found = getattr(at_the_fair()[-1].trajectory, field)
    expected = [[[loop.rows[field, m, s] for s in range(S)] for m in range(P)] for loop in by_hand()]
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-5, atol=1e-5)


def test_percepts_equal_a_plain_loop():
    found, loops = at_the_fair()[-1].trajectory.percept, by_hand()
    for n, m, s, t in np.ndindex(N, P, S, T):
        assert_same(row(found, n, m, s, t), loops[n].rows["percept", m, s][t], 1e-6)


@pytest.mark.parametrize("field", ["reward", "payoff", "episodes", "events"])
def test_the_ledger_equals_a_plain_loop(field):
    found = getattr(at_the_fair()[-1].ledger, field)
    expected = [[[loop.ledger[field, e, a] for a in range(A)] for e in range(E)] for loop in by_hand()]
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("field", ["cross_entropy", "frequency", "divergence", "count"])
def test_predictions_are_scored_as_by_a_plain_loop(field):
    """Only others in play who have a choice are predicted, and only by those who have one; never at a last percept."""
    found = getattr(at_the_fair()[-1].foresight, field)
    expected = [[[loop.score[field, m, s] for s in range(S)] for m in range(P)] for loop in by_hand()]
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-4)
    assert found.min() > 0


def test_resets_happen_after_last_percepts_and_nowhere_else():
    trajectory = at_the_fair()[-1].trajectory
    first, last, time = trajectory.percept.first, trajectory.last, trajectory.percept.observation["time"]
    assert 0.1 < last.mean() < 0.5
    assert first[..., 0].all()
    assert (first[..., 1:] == last[..., : T - 1]).all()
    assert (time[..., 1:] == np.where(last[..., : T - 1], 0, time[..., :-1] + 1)).all()


def test_memory_can_be_rebuilt_from_a_trajectory():
    """In the middle of an episode too: from the carry and the percepts alone come the values and log-probabilities."""
    minds, place, _ = at_the_fair()
    seating = rollout.seating_of(jnp.asarray(place))
    key_begin, key_play = fair_keys()
    play = begin(FAIR, key_begin, WORTH)
    play, _ = unroll(FAIR, T, key_play, WORTH, minds, seating, play)
    _, experience = unroll(FAIR, T, jax.random.split(jax.random.key(4), N), WORTH, minds, seating, play)
    seen = experience.trajectory
    assert not seen.percept.first[..., 0].all()

    def think_again(mind, carry, percepts):
        return jax.lax.scan(lambda carry, percept: FAIR.policy.apply(mind, carry, percept), carry, percepts)[1]

    again = compiled(jax.vmap(jax.vmap(jax.vmap(think_again, (None, 0, 0)))))(minds, seen.carry, seen.percept)
    np.testing.assert_allclose(again.value, seen.value[..., :-1], rtol=1e-6)
    log_prob = categorical.pick(categorical.log_probs(again.logits, seen.percept.action_mask), seen.action)
    np.testing.assert_allclose(log_prob, seen.log_prob, rtol=1e-5, atol=1e-6)


# Seats, places and relative slots.


def test_seats_and_places_are_each_others_inverse():
    random = np.random.default_rng(1)
    place = jnp.int32(np.stack([random.permutation(E * A).reshape(M, S) for _ in range(N)]))
    seating = rollout.seating_of(place)
    values = jnp.asarray(random.normal(size=(N, E, A, 5)))
    there = rollout.to_seats(values, seating.place)
    assert there.shape == (N, M, S, 5)
    assert (rollout.to_places(there, seating.seat, A) == values).all()
    for n, m, s in np.ndindex(N, M, S):
        e, a = divmod(int(place[n, m, s]), A)
        assert (there[n, m, s] == values[n, e, a]).all()


def test_others_come_in_relative_slots():
    """Slot j of agent i is agent i + 1 + j, going round."""
    values = jnp.arange(6).reshape(1, 2, 3)  # two environments: agents 0 1 2 and 3 4 5
    assert rollout.of_others(values)[0].tolist() == [[[1, 2], [2, 0], [0, 1]], [[4, 5], [5, 3], [3, 4]]]
    assert rollout.of_others(jnp.ones((1, 2, 1, 4))).shape == (1, 2, 1, 0, 4)


def test_environments_of_every_population_play_the_situations_in_turn():
    assert lay_out(jnp.array([7, 8, 9]), num_populations=2, num_envs=4).tolist() == [7, 7, 8, 9] * 2
    assert lay_out(jnp.array([7, 8, 9]), num_populations=2, num_envs=2).tolist() == [7, 8] * 2


# What predictions are measured against.


@functools.cache
def settled(num_agents: int) -> Policy:
    """A mind that always acts by one distribution and believes another of everyone else; both are its weights."""

    def apply(params, carry, percept):
        act, believe = params
        return carry, Output(act, jnp.float32(0.0), jnp.broadcast_to(believe, (num_agents - 1, 2)))

    return Policy(init=lambda key: (jnp.zeros(2), jnp.zeros(2)), start=lambda: (), apply=apply)


def settled_play(game: str, act, believe):
    world, params = make([game], horizon=5)
    num_envs = 4
    table = rollout.Table(world, settled(world.num_agents), 1, (), 1, num_envs)
    minds = (jnp.float32([[act]]), jnp.float32([[believe]]))
    params = lay_out(params, 1, num_envs)
    keys = jax.random.split(jax.random.key(0), 2)
    play = rollout.begin(table, keys[:1], params)
    seating = rollout.seating_of(jnp.arange(table.num_places, dtype=jnp.int32)[None, None])
    return unroll(table, 20, keys[1:], params, minds, seating, play)[1]


@pytest.mark.parametrize("game", ["prisoners_dilemma", "public_good_5"])
def test_who_believes_the_truth_has_no_divergence(game):
    score = settled_play(game, [0.3, -0.4], [1.3, 0.6]).foresight
    assert score.count.min() > 0
    np.testing.assert_allclose(score.divergence, 0.0, atol=1e-5)


def test_divergence_is_that_of_truth_from_belief():
    """Acts by 1/4 and 3/4, believed to act by 1/2 and 1/2."""
    score = settled_play("prisoners_dilemma", np.log([0.25, 0.75]), [0.0, 0.0]).foresight
    expected = 0.25 * np.log(0.25 / 0.5) + 0.75 * np.log(0.75 / 0.5)
    np.testing.assert_allclose(score.divergence / score.count, expected, rtol=1e-5)
    np.testing.assert_allclose(score.cross_entropy / score.count, np.log(2.0), rtol=1e-6)


def test_running_frequency_of_a_constant_player():
    """Add-one smoothing over two actions: after t times the same, (t + 1) / (t + 2); forgotten with the episode."""
    score = settled_play("prisoners_dilemma", [0.0, 60.0], [0.0, 0.0]).foresight
    episode = -np.log([(t + 1) / (t + 2) for t in range(5)])  # and one more step to reset
    np.testing.assert_allclose(score.frequency, episode.sum() * 3 + episode[:2].sum(), rtol=1e-5)
    assert (score.count == 17).all()


@pytest.mark.slow
def test_tit_for_tat_plays_what_the_other_played():
    world, params = make(["prisoners_dilemma"], horizon=5)
    num_envs = 8
    table = rollout.Table(world, strategies.random(2, 2), 1, (strategies.tit_for_tat(2, 2),), 1, num_envs)
    own = np.arange(num_envs) * 2 + np.arange(num_envs) % 2
    seating = rollout.seating_of(jnp.int32([[own, own ^ 1]]))
    params = lay_out(params, 1, num_envs)
    keys = jax.random.split(jax.random.key(0), 2)
    play = rollout.begin(table, keys[:1], params)
    play, experience = unroll(table, 20, keys[1:], params, (), seating, play)
    seen = row(experience.trajectory, 0, 0)
    tat, tit = np.asarray(seen.others_action[..., 0]), np.asarray(seen.action)
    first = np.asarray(seen.percept.first)
    assert (tat[:, 1:] == np.where(first[:, 1:], 0, tit[:, :-1])).all()
    assert (tat[:, 0] == 0).all()
    assert 0.2 < tit.mean() < 0.8


# Company changes nothing.

CROWD = TrainConfig(
    num_populations=8,
    num_members=4,
    num_envs=8,
    num_steps=12,
    num_rounds=6,
    rounds_per_chunk=3,
    updates_per_round=2,
    network=NetworkConfig(hidden=8, memory=8),
    ppo=PPOConfig(num_epochs=2, num_minibatches=2),
    hyper=HyperConfig(learning_rate=1e-2),
    selection=SelectionConfig(every=2, fraction=0.5),
)


def crowd_of(num_populations: int) -> Program:
    """A game with chance in it: moves slip and rounds end."""
    world, params = make(["prisoners_dilemma"], horizon=8)
    params = dataclasses.replace(params, tremble=params.tremble + 0.1, continuation=params.continuation - 0.1)
    return assemble(dataclasses.replace(CROWD, num_populations=num_populations), world, params)


def alone(state: TrainState, n: int) -> TrainState:
    """Population n by itself."""
    key = jax.random.clone(state.key)[n : n + 1]
    return TrainState(state.round, key, row(state.population, slice(n, n + 1)))


@functools.cache
def crowd():
    program = crowd_of(8)
    chunk, state = compiled(program.chunk), compiled(program.init)()
    return (
        program,
        state,
        lambda: chunk(dataclasses.replace(state, key=jax.random.clone(state.key)), program.situations),
    )


@pytest.mark.slow
def test_a_population_alone_equals_itself_in_the_crowd():
    """Who plays whom, what they do, who is selected: the same. Weights: to float rounding, because gradients are sums
    whose order XLA chooses by the size of the batch. (Play itself, which has no long sums, is the same bit for bit on
    the CPU.) Learning magnifies rounding a little with every update, hence the few rounds."""
    program, state, chunk = crowd()
    solo = compiled(crowd_of(1).chunk)
    together, metrics = chunk()
    single, solo_metrics = solo(alone(state, 5), program.situations)
    assert_same(alone(together, 5), single, atol=1e-5)
    assert_same(row(metrics, slice(None), slice(5, 6)), solo_metrics, atol=1e-5)
    assert (metrics["parent"][1, 5] != jnp.arange(4)).sum() == 2
    moved = jax.tree.leaves(
        jax.tree.map(lambda a, b: jnp.abs(a - b).max(), together.population.mind, state.population.mind)
    )
    assert min(moved) > 1e-3


@pytest.mark.slow
def test_a_population_that_exists_draws_the_same_weights_in_any_number():
    _, state, _ = crowd()
    few = compiled(crowd_of(6).init)()
    assert_same(alone(few, 5), alone(state, 5), atol=1e-6)
    kernels = [leaf for leaf in jax.tree.leaves(state.population.mind) if leaf.ndim == 4]
    for kernel in kernels:
        flat = np.asarray(kernel).reshape(32, -1)
        assert len(np.unique(flat, axis=0)) == 32


def made_up(program: Program, params, people):
    """A trajectory of the right shapes, made of random numbers."""
    table, random = program.table, np.random.default_rng(0)

    def play(key, params, minds):
        seating = rollout.seating_of(jnp.zeros((8, 4, 4), jnp.int32))
        begun = rollout.begin(table, key, params)
        return rollout.unroll(table, 12, key, params, minds, seating, begun)[1].trajectory

    def fill(leaf):
        if leaf.dtype == jnp.float32:
            return jnp.asarray(-np.abs(random.normal(size=leaf.shape)), jnp.float32)
        return jnp.asarray(random.random(leaf.shape) < 0.7, leaf.dtype)

    return jax.tree.map(fill, jax.eval_shape(play, jax.random.split(jax.random.key(0), 8), params, people.mind))


@pytest.mark.slow
def test_a_member_learns_from_its_own_experience_alone():
    """Member 3 of population 5: the update of a crowd against the update of one, on the same trajectory."""
    program, state, _ = crowd()
    people, learner = state.population, program.learner
    trajectory = made_up(program, lay_out(program.situations, 8, CROWD.num_envs), people)
    after, metrics = compiled(functools.partial(improve, learner))(jax.random.clone(state.key), people, trajectory)
    mine = row((people.hyper, people.mind, people.learner, trajectory), 5, 3)
    single = compiled(learner.update)(jax.random.fold_in(jax.random.clone(state.key)[5], 3), *mine)
    assert_same(row((after.mind, after.learner, metrics), 5, 3), single, atol=1e-6)


def nothing() -> Learner:
    """A learner that learns nothing."""
    return Learner(init=lambda params: (), update=lambda key, hyper, params, state, trajectory: (params, state, {}))


def test_everything_is_compiled_once():
    """Chunk after chunk, and with other numbers in the situation, the environment is traced no second time."""
    traces = []

    class Traced(type(make("prisoners_dilemma")[0])):
        def step(self, key, params, state, action):
            traces.append(1)
            return super().step(key, params, state, action)

    plain = crowd_of(1)
    world = Traced(plain.table.world.num_agents, plain.table.world.action_names)
    program = assemble(plain.config, world, plain.situations, policy=settled(2), learner=nothing())
    chunk, state = compiled(program.chunk, donate_argnums=0), jax.jit(program.init)()
    state, _ = chunk(state, program.situations)
    once = len(traces)
    assert once > 0
    for number in (1.0, 2.0):
        state, _ = chunk(
            state, jax.tree.map(lambda leaf, x=number: leaf + jnp.array(x, leaf.dtype), program.situations)
        )
    assert len(traces) == once
    assert int(state.round) == 9


@pytest.mark.slow
@pytest.mark.parametrize(("block", "parts"), [(None, 1), (4, 3), (5, 3), (8, 2), (100, 1)])
def test_blocks_of_environments_advance_as_all_together(block, parts, monkeypatch):
    """Where blocks divide the batch; what they cannot divide well stays whole."""
    world, situations = make(["coins", "coins_classic"])
    table = rollout.Table(world, strategies.random(world.num_actions, 2), 1, (), 1, 12)
    params = lay_out(situations, 1, 12)
    play = rollout.begin(table, jax.random.split(jax.random.key(0), 1), params)
    last = jnp.arange(12) % 5 == 0
    play = dataclasses.replace(play, timestep=dataclasses.replace(play.timestep, last=last))
    action = jax.random.randint(jax.random.key(1), (1, 12, 2), 0, world.num_actions)

    def advance():
        run = compiled(lambda *given: rollout.advance(table, *given))
        return run(jax.random.split(jax.random.key(2), 12), params, play, action)

    together = advance()
    monkeypatch.setattr(type(world), "block", block)
    assert rollout.block_size(table) == 12 // parts
    jax.tree.map(np.testing.assert_array_equal, together, advance())


@pytest.mark.slow
def test_episodes_that_are_over_begin_anew_whatever_their_number(monkeypatch):
    """One, some or all of them, three at a time; the others go on as if nobody had been reset."""
    world, situations = make(["coins", "coins_classic"])
    params = lay_out(situations, 1, 12)
    monkeypatch.setattr(rollout, "RESETS", 12)
    monkeypatch.setattr(rollout, "LEAST_RESETS", 3)

    @compiled
    def advance(over):
        state, timestep = jax.vmap(world.reset)(jax.random.split(jax.random.key(0), 12), params)
        action = jnp.arange(24, dtype=jnp.int32).reshape(12, 2) % world.num_actions
        timestep = dataclasses.replace(timestep, last=over)
        keys = jax.random.split(jax.random.key(1), 12)
        fresh = jax.vmap(world.reset)(jax.random.clone(keys), params)
        stepped = jax.vmap(world.step)(jax.random.clone(keys), params, state, action)
        return fresh, stepped, rollout.advance_all(world, keys, params, action, state, timestep)

    for ended in ((), (5,), (0, 1, 4, 11), range(12)):
        over = np.isin(np.arange(12), list(ended))
        fresh, stepped, after = jax.tree.map(np.asarray, advance(over))
        pick = lambda a, b, over=over: np.where(over.reshape((-1,) + (1,) * (a.ndim - 1)), a, b)  # noqa: E731
        jax.tree.map(np.testing.assert_array_equal, after, jax.tree.map(pick, fresh, stepped))
