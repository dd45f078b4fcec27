"""Raise populations: one jitted chunk of rounds over `[N, P, ...]`, with nothing of the host inside.

A round seats the members anew, plays, lets every member learn from its own seats, and now and then selects. What
happens in a population depends on its own key and members alone, never on how many populations run beside it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as Spec

from softsim import curriculum, heredity, population, rewards, rollout, selection
from softsim.curriculum import Sampler
from softsim.keys import fold_each, of_members, split_each
from softsim.learners import shaping
from softsim.learners.ppo import Hyper, advantages, played_of
from softsim.matchmaking import Matchmaker, in_order, league, matchmaker
from softsim.minds import player_and_learner
from softsim.population import Population
from softsim.train_config import TrainConfig, check, check_shaping, check_sources, idle
from softsim.types import Array, Environment, Learner, Policy, PyTree, Trajectory, struct


@struct
class TrainState:
    """All that a run needs to go on."""

    round: Array  # [] int32   rounds done
    key: Array  # [N] key of each population, never used itself: every round folds its number in
    population: Population  # leaves [N, P, ...]
    company: PyTree = ()  # leaves [N, ...]   what matchmakers know
    league: PyTree = ()  # leaves [N, Z, ...]   past members; nothing if there is no league
    levels: PyTree = ()  # leaves [N, B, ...]   situations that are kept; nothing if none are
    archive: PyTree = ()  # leaves [N, C, ...]   the fittest of every way to behave; nothing if they are not kept


ISLANDS = "islands"
"""The axis of devices."""

SPREAD: Any = Spec(ISLANDS)
OF_STATE: Any = TrainState(cast(Any, Spec()), SPREAD, SPREAD, SPREAD, SPREAD, SPREAD, SPREAD)
"""Which parts of a state are spread over devices: all but the number of rounds."""


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """A training run made ready."""

    config: TrainConfig
    table: rollout.Table
    learner: Learner
    situations: PyTree  # leaves [G, ...]
    matchmaker: Matchmaker
    sampler: Sampler | None = None  # of new situations, instead of `situations`
    past: PyTree | None = None  # leaves [Z, ...]   members of the league, instead of a population's own past
    devices: int = 1  # that hold the populations, each as many
    idle: tuple[str, ...] = ()  # hyperparameters that the learner never uses: nothing changes them

    def init(self, root: Array | None = None) -> TrainState:
        """Found all populations; population n draws from `fold_in(root, n)`, where the root is by default `key(seed)`.

        Seeds as arguments spare a compilation for each.
        """
        config = self.config
        number = jnp.arange(config.num_populations)
        root = jax.random.key(config.seed) if root is None else root
        key = jax.vmap(lambda n: jax.random.fold_in(root, n))(number)
        hyper = Hyper(**{field: jnp.float32(value) for field, value in dataclasses.asdict(config.hyper).items()})
        found = functools.partial(
            population.found,
            policy=self.table.policy,
            learner=self.learner,
            hyper=hyper,
            num_members=config.num_members,
        )
        founder_key = jax.vmap(lambda key: jax.random.fold_in(key, 0))(key)
        people = jax.vmap(lambda key: found(key))(founder_key)
        company, levels = self.matchmaker.start(), ()
        if config.curriculum.kind == "replay":
            sampler = self.sampler or curriculum.listed(self.situations)
            levels = curriculum.start(config.curriculum, sampler, self.table.num_members)
        company, levels, nature = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (config.num_populations, *leaf.shape)),
            (company, levels, heredity.founders(config.heredity, config.num_members)),
        )
        people = dataclasses.replace(people, **nature)
        people = selection.name_founders(config.selection, self.table.num_members, people)
        collected = ()
        if config.league.moments or self.past is not None:
            collected = jax.vmap(lambda mind: league.found(config.league, mind, self.past))(people.mind)
        archive = selection.found(config.selection, people)
        return TrainState(jnp.int32(0), key, people, company, collected, levels, archive)

    def minds(self, state: TrainState) -> PyTree:
        """Weights, leaves [N, P + guests, ...], of the learners and the past members who sit in the next round."""
        return join_minds(state.population.mind, invite(self.config, keys_of_round(state)[4], state.league)[1])

    def chunk(self, state: TrainState, situations: PyTree) -> tuple[TrainState, dict[str, Array]]:
        """Do `rounds_per_chunk` rounds in `self.situations`. Metrics have a leading axis of rounds.

        Jit this, donating the state; situations are an argument because they are data. Devices hold their populations
        by themselves, and say nothing to each other but who migrates.
        """
        if self.devices == 1:
            return self.rounds(state, situations)
        share = self.config.num_populations // self.devices
        config = dataclasses.replace(self.config, num_populations=share)
        local = dataclasses.replace(self, config=config, table=dataclasses.replace(self.table, num_populations=share))
        rounds = functools.partial(local.rounds, devices=ISLANDS)
        mesh, in_specs, out_specs = self.mesh(), (OF_STATE, Spec()), (OF_STATE, Spec(None, ISLANDS))
        spread = jax.shard_map(rounds, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
        return spread(state, situations)

    def mesh(self) -> jax.sharding.Mesh:
        """The devices in a row."""
        return jax.sharding.Mesh(jax.devices()[: self.devices], (ISLANDS,))

    def place(self, state: TrainState) -> TrainState:
        """Put a state where its populations live."""
        if self.devices == 1:
            return state
        return jax.device_put(state, jax.tree.map(functools.partial(jax.sharding.NamedSharding, self.mesh()), OF_STATE))

    def rounds(
        self, state: TrainState, situations: PyTree, devices: str | None = None
    ) -> tuple[TrainState, dict[str, Array]]:
        """Do `rounds_per_chunk` rounds on one device, one of those along the axis `devices` if there are several."""
        config, source = self.config, self.sampler or curriculum.listed(situations)
        if config.curriculum.kind == "fixed":
            source = lay_out(situations, config.num_populations, config.num_envs)

        def go_on(state: TrainState, _: None) -> tuple[TrainState, dict[str, Array]]:
            state, metrics = play_round(self, source, state)
            people, moved = selection.migrate(config.selection, state.key, state.population, state.round, devices)
            metrics |= selection.tell(config.selection, people, state.archive, state.round) | moved
            return dataclasses.replace(state, population=people), metrics

        return jax.lax.scan(go_on, state, None, config.rounds_per_chunk)


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
    sampler: Sampler | None = None,
    past: PyTree | None = None,
) -> Program:
    """Make a run ready, for any environment, policy and learner that keep to the protocols of `softsim.types`.

    Populations are spread over as many devices as there are and divide them.

    Args:
        situations: params with leaves [G, ...]; spread over each population's environments by `lay_out`, unless the
            config has another curriculum. Evaluations play these, with the rewards of the last round.
        scripted: players that fill one member's seats each.
        policy: of the learners; the default is a recurrent network fitted to the world's observations.
        learner: the default is the one that `config.learner` names.
        sampler: of new situations for the curriculum; the default draws from `situations`.
        past: members, weights with leaves [Z, ...], that are the league, instead of the populations' own past.

    Raises:
        UserError: a number of the config is not allowed.
    """
    check(config, world, len(scripted))
    check_sources(config, curriculum.count(situations), sampler, past)
    heredity.check(config.heredity, situations)
    rewards.check(config.reward, situations, config.heredity.genes)
    check_shaping(config, situations)
    unused = () if policy or learner else idle(config)
    policy, learner = player_and_learner(config, world, situations, len(scripted), policy, learner)
    sizes = config.num_populations, config.num_envs, config.league.seats
    if past is not None:
        league.check(jax.eval_shape(policy.init, jax.random.key(0)), past)
    table = rollout.Table(world, policy, config.num_members, tuple(scripted), *sizes, central=config.learner == "mappo")
    seats = in_order(table) if config.learner == "vdn" else matchmaker(config.matchmaking, table)
    situations = rewards.apply(config.reward, config.num_rounds, situations)
    shares = (n for n in range(jax.device_count(), 0, -1) if config.num_populations % n == 0)
    return Program(config, table, learner, situations, seats, sampler, past, next(shares), unused)


def play_round(program: Program, source: Sampler | PyTree, state: TrainState) -> tuple[TrainState, dict[str, Array]]:
    """Seat, choose situations, play, learn, select.

    Args:
        source: where situations come from, or the params of all environments, leaves [N * E, ...].
    """
    table, config = program.table, program.config
    key_seat, key_begin, key_play, key_select, key_invite, key_propose = keys_of_round(state)
    mark = state.population.genes.get("tag", state.population.lineage.founder)
    place = jax.vmap(program.matchmaker.seat)(key_seat, state.company, mark)
    seating = rollout.seating_of(place)
    invited, guests = invite(config, key_invite, state.league)
    proposal, params = propose(config, key_propose, source, state)
    sitting = (seating.seat // place.shape[2]).reshape(-1, table.num_envs, table.world.num_agents)
    people = state.population
    params = rewards.apply(config.reward, state.round, params)
    params = heredity.share(config.heredity, people.genes, people.births, sitting, params)

    def segment(carry, number):
        people, play = carry
        key_unroll, key_learn, key_probe = split_each(fold_each(key_play, number), 3)
        minds = join_minds(people.mind, guests)
        play, experience = rollout.unroll(table, config.num_steps, key_unroll, params, minds, seating, play)
        trajectory = experience.trajectory
        if config.ppo.shaping != "none":
            trajectory = regard_others(table, config.ppo.shaping, seating, people.hyper, trajectory)
        people, learned = improve(program.learner, key_learn, people, trajectory)
        watched = curriculum.watch(experience.trajectory) if config.curriculum.kind == "replay" else ()
        probes = selection.draw_probes(config.selection, key_probe, experience.trajectory.percept)
        return (people, play), (experience.ledger, experience.foresight, learned, watched, probes)

    play = rollout.begin(table, key_begin, params)
    (people, _), rows = jax.lax.scan(segment, (people, play), jnp.arange(config.updates_per_round))
    ledger, foresight, learned = (jax.tree.map(lambda leaf: leaf.sum(0), each) for each in rows[:3])
    metrics = summarize(seating, ledger, foresight)
    metrics |= jax.tree.map(lambda leaf: leaf / config.updates_per_round, learned)

    learners = people
    measured = metrics["return" if config.selection.fitness == "reward" else "payoff"][:, : table.num_learners]
    ask = functools.partial(selection.answers, table.policy, jax.tree.map(lambda leaf: leaf[-1], rows[4]))
    chosen = config.selection, config.heredity.step, key_select, people, measured, state.round + 1, ask, state.archive
    people, archive = selection.evolve(*chosen)
    still = {name: getattr(learners.hyper, name) for name in program.idle}
    people = dataclasses.replace(people, hyper=dataclasses.replace(people.hyper, **still))
    given = state.company, sitting, ledger.payoff, ledger.events, people.lineage.parent
    company = jax.vmap(program.matchmaker.learn)(*given)
    past = recall(config, state, people, invited, sitting, ledger.payoff)
    levels, replayed = judge(config, state, proposal, learners.hyper, rows[3], sitting, place[:, : table.num_learners])
    return TrainState(state.round + 1, state.key, people, company, past, levels, archive), metrics | replayed


def keys_of_round(state: TrainState) -> tuple[Array, ...]:
    """Keys, [N] each, of the purposes of the next round: seat, begin, play, select, invite, propose."""
    return split_each(fold_each(state.key, 1 + state.round), 6)


def invite(config: TrainConfig, key: Array, past: PyTree) -> tuple[PyTree, PyTree]:
    """Draw the past members who sit at the tables, [N, F], and give their weights, leaves [N, F, ...]; `key` is [N]."""
    if config.league.seats == 0:
        return None, None
    invited = jax.vmap(lambda key, past: league.invite(key, config.league, past))(key, past)
    return invited, jax.vmap(league.guests)(past, invited)


def join_minds(learners: PyTree, guests: PyTree) -> PyTree:
    """Weights of all who have any, leaves [N, P + F, ...]."""
    if guests is None:
        return learners
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves, 1), learners, guests)


def recall(
    config: TrainConfig, state: TrainState, people: Population, invited: PyTree, sitting: Array, payoff: Array
) -> PyTree:
    """What is known of past members after the round that led from `state` to `people`."""
    past, done = state.league, state.round + 1
    if config.league.seats:
        learn = functools.partial(league.learn, config.league)
        past = jax.vmap(learn)(past, invited, sitting, payoff, people.lineage.parent)
    if config.league.moments and config.league.every:
        keep = jax.vmap(lambda past, mind: league.keep(config.league, past, mind, done))
        past = jax.lax.cond(done % config.league.every == 0, keep, lambda past, mind: past, past, people.mind)
    return past


def propose(config: TrainConfig, key: Array, source: Sampler | PyTree, state: TrainState) -> tuple[PyTree, PyTree]:
    """Choose what all environments play: the proposals, leaves [N, E, ...], and their params, leaves [N * E, ...]."""
    if not isinstance(source, Sampler):
        return (), source

    def choose(key: Array, levels: PyTree) -> tuple[Array, PyTree]:
        return curriculum.propose(key, config.curriculum, source, levels, state.round, config.num_envs)

    proposal = jax.vmap(choose)(key, state.levels)
    return proposal, jax.vmap(source.params)(jax.tree.map(lambda leaf: jax.lax.collapse(leaf, 0, 2), proposal[1]))


def judge(
    config: TrainConfig,
    state: TrainState,
    proposal: PyTree,
    hyper: Hyper,
    watched: PyTree,
    sitting: Array,
    place: Array,
) -> tuple[PyTree, dict[str, Array]]:
    """What is known of the levels after a round, and how often they were replayed, as metrics [N, 1]."""
    if config.curriculum.kind != "replay":
        return state.levels, {}

    def of_population(levels, level, situation, *given):
        evidence = curriculum.observe(config.curriculum, levels.total.shape[1], *given)
        return curriculum.learn(config.curriculum, levels, level, situation, evidence, state.round)

    levels = jax.vmap(of_population)(state.levels, *proposal, hyper, curriculum.join(watched), sitting, place)
    size = state.levels.score.shape[1]
    return levels, {"replayed": (proposal[0] < size).astype(jnp.float32).mean(1, keepdims=True)}


def regard_others(
    table: rollout.Table, form: shaping.Form, seating: rollout.Seating, hyper: Hyper, trajectory: Trajectory
) -> Trajectory:
    """Tell every learner the sum of the advantages of the other learners at its tables; leaves are [N, P, S, T, ...].

    Scripted and past members do not learn, so nothing that is done changes them: theirs count as 0.
    """

    def of_member(hyper: Hyper, trajectory: Trajectory) -> Array:
        return shaping.compared(form, advantages(hyper, trajectory), played_of(trajectory))

    own = jax.vmap(jax.vmap(of_member))(hyper, trajectory)
    everyone = jnp.pad(own, ((0, 0), (0, table.num_members - table.num_learners), (0, 0), (0, 0)))
    others = rollout.of_others(rollout.to_places(everyone, seating.seat, table.world.num_agents)).sum(3)
    return dataclasses.replace(
        trajectory, others_advantage=rollout.to_seats(others, seating.place[:, : table.num_learners])
    )


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
