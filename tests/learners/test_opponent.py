"""Opponent models: sequences equal steps, gradients stop where they should, the past is a sum, truths are right."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim import TrainConfig, UserError, assemble, make, rollout
from softsim.learners import strategies
from softsim.learners.networks import SKETCH, NetworkConfig, recurrent_policy
from softsim.learners.opponent import NOTHING, OpponentConfig, Target, prediction_loss, target_of
from softsim.learners.ppo import PPOConfig
from softsim.types import Hidden, Output, Percept, Policy, Trajectory

K, A, T, WIDTH = 3, 3, 12, 4
SEEN = jax.ShapeDtypeStruct((5,), jnp.float32)
TARGETS = {"embedding": Target("observation"), "type": Target("member", 1, 4), "belief": Target("belief", 2, 6)}
MODELS = ("policy", "embedding", "character", "type", "belief")
compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def make_mind(model: str, condition: bool = True, shapes_memory: bool = True) -> Policy:
    opponent = OpponentConfig(model, condition, shapes_memory, width=WIDTH)
    config = NetworkConfig(hidden=8, memory=6, opponent=opponent, recurrence="linear")
    return recurrent_policy(config, K, A, SEEN, target=TARGETS.get(model, NOTHING))


@functools.cache
def weights(model: str):
    """Weights large enough that inputs matter; what is read and what is trained changes none of them."""
    params = jax.eval_shape(make_mind(model).init, jax.random.key(0))
    random = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: 0.5 * random.normal(size=leaf.shape).astype(np.float32), params)


def percepts(seed: int, first: tuple[int, ...], length: int = T) -> Percept:
    seen = np.random.default_rng(seed).normal(size=(length, 5)).astype(np.float32)
    begins = np.isin(np.arange(length), first)
    return Percept(jnp.asarray(seen), jnp.zeros(length), jnp.ones((length, K), bool), jnp.asarray(begins))


def distance(left, right) -> float:
    pairs = zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
    return max(float(np.abs(np.asarray(a) - np.asarray(b)).max(initial=0.0)) for a, b in pairs)


@pytest.mark.parametrize("model", MODELS)
def test_a_sequence_equals_its_steps(model):
    """Also over the ends of episodes."""
    policy, params, sequence = make_mind(model), weights(model), percepts(1, (0, 4, 9))

    def both(params):
        step = functools.partial(policy.apply, params)
        return policy.unroll(params, policy.start(), sequence), jax.lax.scan(step, policy.start(), sequence)[1]

    whole, steps = compiled(both)(params)
    assert distance(whole, steps) < 1e-5
    sizes = {"embedding": (5,), "type": (1, 4), "belief": (2, 6)}
    assert whole.opponent.shape == (T, A - 1, K)
    assert [leaf.shape for leaf in jax.tree.leaves(whole.hidden)] == [
        (T, A - 1, *sizes[model]) for model in (model,) if model in sizes
    ]


@pytest.mark.parametrize("model", MODELS)
def test_gradients_reach_memory_if_wanted_and_the_policy_never_trains_the_model(model):
    sequence = percepts(2, (0, 4, 9))

    def say(params, shapes_memory):
        policy = make_mind(model, True, shapes_memory)
        output = policy.unroll(params, policy.start(), sequence)
        said = sum((leaf**2).sum() for leaf in jax.tree.leaves((output.opponent, output.hidden)))
        return jnp.stack([said, (output.logits**2).sum()])

    def gradients(params):
        return [jax.jacrev(functools.partial(say, shapes_memory=wanted))(params) for wanted in (False, True)]

    for wanted, gradient in enumerate(compiled(gradients)(weights(model))):
        paths = jax.tree_util.tree_leaves_with_path(gradient)
        size = {jax.tree_util.keystr(path): jnp.abs(leaf).max(tuple(range(1, leaf.ndim))) for path, leaf in paths}
        of_model = np.array([said for name, said in size.items() if "['opponent']" in name])
        of_memory = np.array([said for name, said in size.items() if "gates" in name or "perceive" in name])
        assert (of_model[:, 0] > 0.0).all()
        assert (of_model[:, 1] == 0.0).all()
        assert ((of_memory[:, 0] > 0.0) == bool(wanted)).all()
        assert (of_memory[:, 1] > 0.0).all()


@pytest.mark.parametrize("model", MODELS)
def test_the_policy_reads_the_model_only_if_wanted(model):
    """Weights of the model are changed; what it says changes, and what the policy does if that is told to it."""
    sequence, params = percepts(3, (0, 4)), weights(model)
    for condition in (True, False):
        policy = make_mind(model, condition)
        own = jax.eval_shape(policy.init, jax.random.key(0))
        fitted = jax.tree.map(lambda leaf, like: leaf[: like.shape[0]], params, own)  # the policy layer may read less
        changed = jax.tree_util.tree_map_with_path(
            lambda path, leaf: (
                leaf + np.linspace(0.0, 1.0, leaf.size, dtype=np.float32).reshape(leaf.shape)
                if "['opponent']" in jax.tree_util.keystr(path)
                else leaf
            ),
            fitted,
        )
        run = compiled(lambda params, policy=policy: policy.unroll(params, policy.start(), sequence))
        plain, other = run(fitted), run(changed)
        assert distance(plain.opponent, other.opponent) > 1e-2
        assert (distance(plain.logits, other.logits) > 1e-4) == condition
        assert distance(plain.value, other.value) == 0.0
        assert (policy.retold is not None) == condition


def test_a_character_is_a_sum_over_past_episodes():
    """In whatever order they came, and unlike memory it does not end with the episode. Others know nothing of it."""
    first, second, present = percepts(4, (0,), 4), percepts(5, (0,), 4), percepts(6, (0,), 4)
    join = lambda *parts: jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)  # noqa: E731
    for model in ("character", "policy"):
        policy, params = make_mind(model), weights(model)
        run = compiled(lambda sequence, policy=policy, params=params: policy.unroll(params, policy.start(), sequence))
        one, other, none = (
            jax.tree.map(lambda leaf: leaf[-4:], run(join(*past, present)))
            for past in ((first, second), (second, first), (first, first))
        )
        assert distance(one, other) < 1e-6
        assert (distance(one, none) > 1e-3) == (model == "character")


def batch(others_seen: np.ndarray | None = None, hidden: Hidden | None = None, **changes) -> Trajectory:
    """Two seats, two steps, two others; nothing of it is masked unless said."""
    two = jnp.zeros((2, 2))
    rest = {"percept": None, "carry": None, "action": None, "log_prob": two, "reward": two, "discount": two}
    rest |= {"value": None, "last": jnp.zeros((2, 3), bool), "agent_mask": jnp.ones((2, 2), bool)}
    rest |= {"others_action": jnp.zeros((2, 2, 2), jnp.int32), "others_mask": jnp.ones((2, 2, 2), bool)} | changes
    return Trajectory(**rest, others_seen=others_seen, hidden=hidden)


@pytest.mark.parametrize("what", ["others_mask", "others_seen", "played"])
def test_the_dead_and_the_unseen_do_not_count(what):
    """Of eight predictions all but one say ln 2; the one that is wrong by far is masked."""
    logits = jnp.zeros((2, 2, 2, 2)).at[0, 1, 1].set(jnp.array([-9.0, 9.0]))
    output = Output(None, None, logits)
    mask = jnp.ones((2, 2, 2), bool).at[0, 1, 1].set(False)
    played = jnp.ones((2, 2), bool)
    loud, _ = prediction_loss(output, batch(), played)
    assert loud > np.log(2) + 1
    quiet, named = prediction_loss(
        output,
        batch(**{what: mask} if what != "played" else {}),
        played.at[0, 1].set(False) if what == "played" else played,
    )
    np.testing.assert_allclose(quiet, np.log(2), rtol=1e-6)
    assert set(named) == {"opponent_loss"}


def test_what_is_hidden_is_scored_by_its_kind():
    """Labels by cross-entropy, numbers by half the squared error relative to their size."""
    played, there = jnp.ones((2, 2), bool), jnp.ones((2, 2, 2), bool).at[1].set(False)
    opponent, labels = jnp.zeros((2, 2, 2, 2)), jnp.ones((2, 2, 2, 1), jnp.int32)
    output = Output(None, None, opponent, jnp.zeros((2, 2, 2, 1, 4)).at[1].set(jnp.arange(4.0)))
    total, named = prediction_loss(output, batch(hidden=Hidden(labels, there)), played)
    np.testing.assert_allclose(named["hidden_loss"], np.log(4), rtol=1e-6)
    np.testing.assert_allclose(total, np.log(4) + np.log(2), rtol=1e-6)
    numbers = jnp.full((2, 2, 2, 3), 2.0)
    for said, loss in ((0.0, 0.5), (1.0, 0.125), (2.0, 0.0)):
        output = Output(None, None, opponent, jnp.full((2, 2, 2, 3), said).at[1].set(50.0))
        found = prediction_loss(output, batch(hidden=Hidden(numbers, there)), played)[1]["hidden_loss"]
        np.testing.assert_allclose(found, loss, rtol=1e-3)


class Known:
    labels = {"role": (1, 3)}  # noqa: RUF012


@pytest.mark.parametrize(
    ("config", "num_scripted", "message"),
    [
        (OpponentConfig("type"), 0, "'type' tells scripted partners apart, and there are none"),
        (OpponentConfig("belief"), 1, "'belief', and this world does not keep track of beliefs"),
        (OpponentConfig("type", label="mood"), 1, "opponent.label: 'mood'; in this world allowed are 'member', 'role'"),
    ],
)
def test_a_label_that_nobody_knows_is_refused(config, num_scripted, message):
    with pytest.raises(UserError, match=message):
        target_of(config, Known(), num_scripted)
    assert target_of(OpponentConfig("type", label="role"), Known(), 0) == Target("role", 1, 3)
    assert target_of(OpponentConfig("type"), Known(), 2) == Target("member", 1, 3)


def test_a_policy_cannot_read_a_model_that_it_does_not_have():
    config = NetworkConfig(opponent=OpponentConfig("none"))
    with pytest.raises(UserError, match="condition: True, but the model is 'none'; it must be False"):
        recurrent_policy(config, K, A, SEEN)
    with pytest.raises(UserError, match="'belief' needs a target, and none is given"):
        recurrent_policy(NetworkConfig(opponent=OpponentConfig("belief")), K, A, SEEN)
    with pytest.raises(UserError, match="label: 'role'; it is for model 'type', which is 'policy'"):
        recurrent_policy(NetworkConfig(opponent=OpponentConfig(label="role")), K, A, SEEN)
    silent = recurrent_policy(NetworkConfig(hidden=4, memory=4, opponent=OpponentConfig("none", False)), K, A, SEEN)
    assert "opponent" not in str(jax.tree.structure(jax.eval_shape(silent.init, jax.random.key(0))))


def played(game: str, opponent: OpponentConfig, num_scripted: int, steps: int):
    """Play a little; give the program, the seating, the trajectory and every state on the way."""
    world, situations = make((game,))
    config = TrainConfig(
        num_members=2,
        num_envs=2 + num_scripted,
        num_steps=steps,
        network=NetworkConfig(hidden=4, memory=4, opponent=opponent),
        ppo=PPOConfig(num_minibatches=1),
    )
    scripted = [strategies.random(world.num_actions, world.num_agents)] * num_scripted
    program = assemble(config, world, situations, scripted)
    table = program.table
    place = jax.random.permutation(jax.random.key(1), table.num_places).astype(jnp.int32)
    place = place.reshape(1, table.num_members, -1)
    seating = rollout.seating_of(place)
    state = compiled(program.init)()
    params = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[0], (table.num_envs, *leaf.shape[1:])), situations)
    key = jax.random.split(jax.random.key(2), 1)
    play = compiled(rollout.begin, static_argnums=0)(table, key, params)
    unroll = compiled(rollout.unroll, static_argnums=(0, 1))
    states, trajectories = [], []
    for t in range(steps):
        states.append(play)
        key = jax.random.split(jax.random.key(3 + t), 1)
        play, experience = unroll(table, 1, key, params, state.population.mind, seating, play)
        trajectories.append(experience.trajectory)
    return program, params, place[0], states, trajectories


@pytest.mark.slow
def test_members_and_observations_are_told_in_relative_slots():
    """A type is who sits there; an embedding is told the sketch of what that one observes, which is here all of it."""
    for model in ("type", "embedding"):
        program, _, place, states, trajectories = played("prisoners_dilemma", OpponentConfig(model), 2, 3)
        num_learners, num_agents = program.config.num_members, 2
        seats = place.shape[1]
        sitter = np.empty(place.size, int)
        sitter[np.asarray(place).reshape(-1)] = np.repeat(np.arange(len(place)), seats)
        for play, trajectory in zip(states, trajectories, strict=True):
            seen = jax.tree.leaves(play.timestep.observation)
            flat = np.concatenate([np.asarray(leaf).reshape(len(sitter), -1) for leaf in seen], 1)
            for member, seat in np.ndindex(num_learners, seats):
                other = int(place[member, seat]) ^ 1
                value = np.asarray(trajectory.hidden.value)[0, member, seat, 0, 0]
                wanted = [max(0, sitter[other] - num_learners + 1)] if model == "type" else flat[other]
                np.testing.assert_array_equal(value, wanted)
        assert trajectories[0].hidden.mask.all()
        assert num_agents * program.table.num_envs == place.size


@pytest.mark.slow
def test_beliefs_are_told_and_who_is_out_of_sight_is_not_counted():
    program, params, place, states, trajectories = played("hidden_bait", OpponentConfig("belief"), 0, 4)
    world = program.table.world
    for play, trajectory in zip(states, trajectories, strict=True):
        sees = np.asarray(jax.vmap(world.sees)(params, play.state))
        window = np.asarray(play.timestep.observation.window)[..., 1]
        for member, seat in np.ndindex(*place.shape):
            env, agent = divmod(int(place[member, seat]), 2)
            value, seen = (
                np.asarray(leaf)[0, member, seat, 0, 0] for leaf in (trajectory.hidden.value, trajectory.others_seen)
            )
            np.testing.assert_array_equal(value, np.asarray(play.state.belief)[env, 1 - agent])
            assert seen == sees[env, agent, 1 - agent]
            assert seen == (window[env, agent] > 1).any()


def test_nobody_pays_for_what_no_model_asks_for():
    world, situations = make(("prisoners_dilemma",))
    for opponent in (OpponentConfig(), OpponentConfig("character"), OpponentConfig("none", False)):
        network = NetworkConfig(hidden=4, memory=4, opponent=opponent)
        config = TrainConfig(num_members=2, num_envs=1, num_steps=2, network=network, ppo=PPOConfig(num_minibatches=1))
        program = assemble(config, world, situations)

        def play(key, program=program):
            table, minds = program.table, program.init().population.mind
            seating = rollout.seating_of(jnp.arange(2, dtype=jnp.int32).reshape(1, 2, 1))
            begun = rollout.begin(table, key[:1], program.situations)
            return rollout.unroll(table, 2, key[1:], program.situations, minds, seating, begun)[1].trajectory

        trajectory = jax.eval_shape(play, jax.random.split(jax.random.key(0)))
        assert trajectory.hidden is None
        assert trajectory.others_seen is None


def test_a_large_observation_is_sketched():
    """Squared distances of sketches are, on average, those of what is sketched, per number."""
    seen = jax.ShapeDtypeStruct((500,), jnp.float32)
    policy = recurrent_policy(
        NetworkConfig(hidden=4, memory=4, opponent=OpponentConfig("embedding")), K, A, seen, target=TARGETS["embedding"]
    )
    random = np.random.default_rng(0)
    one, other = (jnp.asarray(random.normal(size=(50, 500)), jnp.float32) for _ in range(2))
    sketched = [np.asarray(jax.vmap(policy.asks.sketch)(each)) for each in (one, other)]
    assert sketched[0].shape == (50, SKETCH)
    ratio = ((sketched[0] - sketched[1]) ** 2).mean() / np.asarray((one - other) ** 2).mean()
    np.testing.assert_allclose(ratio, 1.0, atol=0.15)
