"""Raise populations: one jitted chunk of rounds over `[N, P, ...]`, with nothing of the host inside.

A round seats the members anew, plays, lets every member learn from its own seats, and now and then selects. What
happens in a population depends on its own key and members alone, never on how many populations run beside it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from softsim import population, rollout
from softsim.keys import fold_each, of_members, split_each
from softsim.learners.networks import NetworkConfig, recurrent_policy
from softsim.learners.ppo import Hyper, PPOConfig, ppo
from softsim.population import Population, Selection
from softsim.types import Array, Environment, Learner, Policy, PyTree, Trajectory, UserError, struct


@dataclasses.dataclass(frozen=True)
class HyperConfig:
    """Hyperparameters that every founder starts with; mutation changes them from there."""

    learning_rate: float = 1e-3
    gamma: float = 0.99  # discount per step
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy_weight: float = 0.01
    value_weight: float = 0.5
    opponent_weight: float = 0.5


@dataclasses.dataclass(frozen=True)
class SelectionConfig:
    """Truncation selection; `every` 0 rounds is never."""

    every: int = 0  # rounds
    fraction: float = 0.25  # of the members, replaced by mutated copies of as many of the best
    mutation: float = 0.2  # relative step of copied hyperparameters
    memory: float = 0.8  # weight of the past in the fitness average
    fitness: str = "reward"  # or "payoff": before sharing


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Everything about training but the world."""

    num_populations: int = 1
    num_members: int = 4  # learners in each population
    scripted: tuple[str, ...] = ()  # partners at the same tables, one member each
    num_envs: int = 16  # environments of each population
    num_steps: int = 128  # steps between updates
    updates_per_round: int = 1  # before seats are re-drawn and all environments reset
    num_rounds: int = 100
    rounds_per_chunk: int = 10  # per call of the compiled program: progress and checkpoints come in between
    seed: int = 0
    network: NetworkConfig = NetworkConfig()
    ppo: PPOConfig = PPOConfig()
    hyper: HyperConfig = HyperConfig()
    selection: SelectionConfig = SelectionConfig()

    @property
    def env_steps_per_round(self) -> int:
        """Environment steps of one round, over all populations."""
        return self.num_populations * self.num_envs * self.num_steps * self.updates_per_round


@struct
class TrainState:
    """All that a run needs to go on."""

    round: Array  # [] int32   rounds done
    key: Array  # [N] key of each population, never used itself: every round folds its number in
    population: Population  # leaves [N, P, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """A training run made ready."""

    config: TrainConfig
    table: rollout.Table
    learner: Learner
    situations: PyTree  # leaves [G, ...]

    def init(self) -> TrainState:
        """Found all populations; population n draws from `fold_in(key(seed), n)`."""
        config = self.config
        number = jnp.arange(config.num_populations)
        key = jax.vmap(lambda n: jax.random.fold_in(jax.random.key(config.seed), n))(number)
        hyper = Hyper(**{field: jnp.float32(value) for field, value in dataclasses.asdict(config.hyper).items()})
        found = functools.partial(
            population.found,
            policy=self.table.policy,
            learner=self.learner,
            hyper=hyper,
            num_members=config.num_members,
        )
        founder_key = jax.vmap(lambda key: jax.random.fold_in(key, 0))(key)
        return TrainState(jnp.int32(0), key, jax.vmap(lambda key: found(key))(founder_key))

    def chunk(self, state: TrainState, situations: PyTree) -> tuple[TrainState, dict[str, Array]]:
        """Do `rounds_per_chunk` rounds in `self.situations`. Metrics have a leading axis of rounds.

        Jit this, donating the state; situations are an argument because they are data.
        """
        config = self.config
        params = lay_out(situations, config.num_populations, config.num_envs)
        step = functools.partial(play_round, self.table, self.learner, config, params)
        return jax.lax.scan(lambda state, _: step(state), state, None, config.rounds_per_chunk)


def lay_out(situations: PyTree, num_populations: int, num_envs: int) -> PyTree:
    """Params of the flat batch of environments, leaves [N * E, ...]: environment e plays situation `e * G // E`, or e
    where there are fewer environments than situations. So neighbours are alike, which makes them faster to step."""

    def spread(leaf):
        envs = jnp.arange(num_populations * num_envs) % num_envs
        return leaf[envs * leaf.shape[0] // max(num_envs, leaf.shape[0])]

    return jax.tree.map(spread, situations)


def assemble(
    config: TrainConfig,
    world: Environment,
    situations: PyTree,
    scripted: Sequence[Policy] = (),
    policy: Policy | None = None,
    learner: Learner | None = None,
) -> Program:
    """Make a run ready, for any environment, policy and learner that keep to the protocols of `softsim.types`.

    Args:
        situations: params with leaves [G, ...]; spread over each population's environments by `lay_out`.
        scripted: players that fill one member's seats each.
        policy: of the learners; the default is a recurrent network fitted to the world's observations.
        learner: the default is PPO with `config.ppo`.

    Raises:
        UserError: a number of the config is not allowed.
    """
    check(config, world, len(scripted))
    kinds = jax.tree.leaves(situations)[0].shape[0]
    if kinds > config.num_envs:
        raise UserError(f"num_envs: {config.num_envs} environments cannot hold {kinds} situations; as many are needed.")
    if policy is None:
        policy = default_policy(config.network, world, situations)
    learner = learner or ppo(policy, config.ppo)
    table = rollout.Table(world, policy, config.num_members, tuple(scripted), config.num_populations, config.num_envs)
    return Program(config, table, learner, situations)


def default_policy(network: NetworkConfig, world: Environment, situations: PyTree) -> Policy:
    """Fit the recurrent network to what one agent of the world observes. Situations have leaves [G, ...]."""
    one = jax.eval_shape(lambda tree: jax.tree.map(lambda leaf: leaf[0], tree), situations)
    timestep = jax.eval_shape(world.reset, jax.random.key(0), one)[1]
    seen = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), timestep.observation)
    codes = getattr(world, "symbol_codes", ())
    return recurrent_policy(network, world.num_actions, world.num_agents, seen, codes)


def check(config: TrainConfig, world: Environment, num_scripted: int) -> None:
    """Refuse numbers that cannot be meant, in one sentence."""
    check_fields(config)
    members = config.num_members + num_scripted
    places = config.num_envs * world.num_agents
    if places % members:
        raise UserError(
            f"num_members: {config.num_members} learners and {num_scripted} scripted members do not divide the "
            f"{places} seats ({config.num_envs} environments x {world.num_agents} agents); choose numbers that do."
        )
    if (places // members) % config.ppo.num_minibatches:
        raise UserError(
            f"ppo.num_minibatches: {config.ppo.num_minibatches} does not divide the {places // members} seats that "
            f"each member has."
        )
    if config.num_rounds % config.rounds_per_chunk:
        raise UserError(
            f"num_rounds: {config.num_rounds} is not a multiple of rounds_per_chunk, {config.rounds_per_chunk}."
        )


LARGE = 2**31 - 1
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("num_populations", "num_members", "num_envs", "num_steps", "updates_per_round"), (1, LARGE)),
    **dict.fromkeys(("num_rounds", "rounds_per_chunk"), (1, LARGE)),
    **dict.fromkeys(("network.hidden", "network.memory", "ppo.num_epochs", "ppo.num_minibatches"), (1, LARGE)),
    **dict.fromkeys(("seed", "selection.every"), (0, LARGE)),
    **dict.fromkeys(("hyper.gamma", "hyper.gae_lambda", "selection.memory"), (0.0, 1.0)),
    **dict.fromkeys(("hyper.learning_rate", "hyper.clip", "hyper.entropy_weight"), (0.0, LARGE)),
    **dict.fromkeys(("hyper.value_weight", "hyper.opponent_weight", "ppo.max_grad_norm"), (0.0, LARGE)),
    "selection.fraction": (0.0, 0.5),
    "selection.mutation": (0.0, LARGE),
}
"""Least and greatest value of every number of a `TrainConfig`."""

CHOICES = {"selection.fitness": ("reward", "payoff"), "network.precision": ("float32", "bfloat16")}
"""What every name of a `TrainConfig` may be."""


def check_fields(config: TrainConfig) -> None:
    def get(field: str) -> Any:
        return functools.reduce(getattr, field.split("."), config)

    for field, names in CHOICES.items():
        if get(field) not in names:
            raise UserError(f"{field}: {get(field)!r}; allowed are {' and '.join(map(repr, names))}.")
    for field, (low, high) in RANGES.items():
        value = get(field)
        if not low <= value <= high:
            allowed = f"at least {low}" if high == LARGE else f"a number from {low} to {high}"
            raise UserError(f"{field}: {value}; it must be {allowed}.")


def play_round(
    table: rollout.Table, learner: Learner, config: TrainConfig, params: PyTree, state: TrainState
) -> tuple[TrainState, dict[str, Array]]:
    """Seat, play, learn, select. `params` has leaves [N * E, ...]."""
    key_seat, key_begin, key_play, key_select = split_each(fold_each(state.key, 1 + state.round), 4)
    place = jax.vmap(lambda key: population.seat(key, table.num_places, table.num_members))(key_seat)
    seating = rollout.seating_of(place)

    def segment(carry, number):
        people, play = carry
        key_unroll, key_learn = split_each(fold_each(key_play, number), 2)
        play, experience = rollout.unroll(table, config.num_steps, key_unroll, params, people.mind, seating, play)
        people, learned = improve(learner, key_learn, people, experience.trajectory)
        return (people, play), (experience.ledger, experience.foresight, learned)

    play = rollout.begin(table, key_begin, params)
    (people, _), sums = jax.lax.scan(segment, (state.population, play), jnp.arange(config.updates_per_round))
    ledger, foresight, learned = (jax.tree.map(lambda leaf: leaf.sum(0), each) for each in sums)
    metrics = summarize(seating, ledger, foresight)
    metrics |= jax.tree.map(lambda leaf: leaf / config.updates_per_round, learned)

    people, parent = evolve(config, key_select, people, metrics, state.round + 1)
    metrics |= {"fitness": people.fitness, "parent": parent}
    return TrainState(state.round + 1, state.key, people), metrics


def improve(learner: Learner, key: Array, people: Population, trajectory: Trajectory) -> tuple[Population, Any]:
    """Let every member learn from its own experience; `key` is [N], the trajectory has leaves [N, P, S, T, ...]."""
    member_key = of_members(key, people.fitness.shape[1])
    update = jax.vmap(jax.vmap(learner.update))
    mind, state, metrics = update(member_key, people.hyper, people.mind, people.learner, trajectory)
    return dataclasses.replace(people, mind=mind, learner=state), metrics


def summarize(seating: rollout.Seating, ledger: rollout.Ledger, foresight: rollout.Foresight) -> dict[str, Array]:
    """Turn sums into what is reported: per episode and member [N, M], predictions in nats per learner [N, P]."""
    episodes = jnp.maximum(rollout.to_seats(ledger.episodes, seating.place).sum(2), 1.0)
    predictions = jnp.maximum(foresight.count.sum(2), 1.0)
    return {
        "return": rollout.to_seats(ledger.reward, seating.place).sum(2) / episodes,
        "payoff": rollout.to_seats(ledger.payoff, seating.place).sum(2) / episodes,
        "events": rollout.to_seats(ledger.events, seating.place).sum(2) / episodes[..., None],
        "opponent_ce": foresight.cross_entropy.sum(2) / predictions,
        "opponent_ce_frequency": foresight.frequency.sum(2) / predictions,
        "opponent_kl": foresight.divergence.sum(2) / predictions,
    }


def evolve(
    config: TrainConfig, key: Array, people: Population, metrics: dict[str, Array], generation: Array
) -> tuple[Population, Array]:
    """Remember fitness, and select every so many rounds. Also returns each member's parent this round, [N, P]."""
    rule = config.selection
    numbers = Selection(jnp.float32(rule.fraction), jnp.float32(rule.mutation), jnp.float32(rule.memory))
    measured = metrics["return" if rule.fitness == "reward" else "payoff"][:, : config.num_members]
    people = jax.vmap(population.remember_fitness, in_axes=(None, 0, 0))(numbers, people, measured)
    itself = jnp.broadcast_to(jnp.arange(config.num_members, dtype=jnp.int32), people.fitness.shape)
    if rule.every == 0:
        return people, itself

    def choose(people):
        chosen = jax.vmap(population.select, in_axes=(0, None, 0, None))(key, numbers, people, generation)
        return chosen, chosen.lineage.parent

    return jax.lax.cond(generation % rule.every == 0, choose, lambda people: (people, itself), people)
