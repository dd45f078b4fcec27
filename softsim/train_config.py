"""Everything about training that a user sets, and what is allowed."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Literal, get_args, get_origin, get_type_hints

from softsim import rewards, selection
from softsim.curriculum import CurriculumConfig, Sampler
from softsim.heredity import GENES, HeredityConfig
from softsim.learners.networks import NetworkConfig
from softsim.learners.opponent import NOTHING
from softsim.learners.opponent import check as check_opponent
from softsim.learners.ppo import PPOConfig
from softsim.matchmaking import LeagueConfig, MatchmakingConfig
from softsim.rewards import RewardConfig
from softsim.selection import SelectionConfig
from softsim.types import Environment, PyTree, UserError


@dataclasses.dataclass(frozen=True)
class HyperConfig:
    """Hyperparameters that every founder starts with; mutation changes those that the learner uses from there."""

    learning_rate: float = 1e-3
    gamma: float = 0.99  # discount per step
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy_weight: float = 0.01
    value_weight: float = 0.5
    opponent_weight: float = 0.5
    shaping_weight: float = 1.0  # of `ppo.shaping`, if there is any
    epsilon: float = 0.05  # Q-learning: chance of a random action, in the end
    epsilon_decay: float = 0.95  # Q-learning: factor per update by which that chance falls from 1


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
    learner: Literal["ppo", "mappo", "q", "vdn"] = "ppo"  # mappo: a central critic; q: by action values; vdn: as a team
    network: NetworkConfig = NetworkConfig()
    ppo: PPOConfig = PPOConfig()
    hyper: HyperConfig = HyperConfig()
    reward: RewardConfig = RewardConfig()
    selection: SelectionConfig = SelectionConfig()
    heredity: HeredityConfig = HeredityConfig()
    matchmaking: MatchmakingConfig = MatchmakingConfig()
    league: LeagueConfig = LeagueConfig()
    curriculum: CurriculumConfig = CurriculumConfig()

    @property
    def env_steps_per_round(self) -> int:
        """Environment steps of one round, over all populations."""
        return self.num_populations * self.num_envs * self.num_steps * self.updates_per_round

    @property
    def models_others(self) -> bool:
        """Whether learners have a model of the others; without it their predictions are all alike."""
        return self.learner not in ("q", "vdn") and self.network.opponent.model != "none"


def idle(config: TrainConfig) -> tuple[str, ...]:
    """Name the hyperparameters that the learner of a config never uses."""
    if config.learner in ("q", "vdn"):
        return ("clip", "entropy_weight", "value_weight", "opponent_weight", "shaping_weight")
    unused = {
        "opponent_weight": not config.models_others,
        "shaping_weight": config.ppo.shaping == "none",
    }
    return ("epsilon", "epsilon_decay", *(name for name in unused if unused[name]))


def check(config: TrainConfig, world: Environment, num_scripted: int) -> None:
    """Refuse numbers that cannot be meant, in one sentence."""
    check_fields(config)
    selection.check(config.selection, config.num_members, config.num_populations)
    measured = config.selection.actions if config.selection.diversity == "elites" else ()
    if not set(measured) <= set(range(world.num_actions)):
        raise UserError(f"selection.actions: {measured}; this world's actions are 0 to {world.num_actions - 1}.")
    check_tags(config)
    check_memory(config)
    check_learner(config, num_scripted)
    others = config.league.seats + num_scripted
    members = config.num_members + others
    places = config.num_envs * world.num_agents
    if places % members:
        raise UserError(
            f"num_members: {config.num_members} learners and {others} scripted or past members do not divide the "
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


def check_tags(config: TrainConfig) -> None:
    """Refuse to seat by tags that nobody has, and tags that nobody would look at."""
    meeting = config.matchmaking
    looked_at = meeting.rule == "assortative" and meeting.kin == "tag" and not meeting.tags
    if looked_at and "tag" not in config.heredity.heritable:
        raise UserError("matchmaking.tags: none given; every member needs one, or heredity.heritable must name 'tag'.")
    if not looked_at and "tag" in config.heredity.heritable:
        raise UserError(
            "heredity.heritable: 'tag', by which nobody is seated; matchmaking.rule must be 'assortative' and "
            "matchmaking.kin 'tag', without matchmaking.tags."
        )


def check_sources(config: TrainConfig, kinds: int, sampler: Sampler | None, past: PyTree | None) -> None:
    """Refuse a curriculum or a league that has nothing to draw from.

    Args:
        kinds: situations that are given.
    """
    plan, past_members = config.curriculum, config.league
    if plan.kind == "fixed" and sampler is not None:
        raise UserError("curriculum.kind: 'fixed', and a sampler is given; 'random' and 'replay' draw from one.")
    if plan.kind == "fixed" and kinds > config.num_envs:
        raise UserError(f"num_envs: {config.num_envs} environments cannot hold {kinds} situations; as many are needed.")
    if plan.kind == "replay" and plan.edits and (sampler is None or sampler.edit is None):
        raise UserError(f"curriculum.edits: {plan.edits}; the situations at hand cannot be edited, so it must be 0.")
    if past is not None and past_members.moments:
        raise UserError(f"league.moments: {past_members.moments}; a league that is given never changes: it must be 0.")
    if past is None and past_members.run:
        raise UserError(
            f"league.run: {past_members.run!r}; a `RunConfig` loads its members, else `past` must be given."
        )
    if past_members.run and not past_members.seats:
        raise UserError(
            f"league.run: {past_members.run!r} with league.seats 0, so that none of its members sits at the tables; "
            f"seats must be at least 1."
        )
    if past is None and past_members.seats and not past_members.moments:
        raise UserError("league.moments: 0; past members at the tables need it to be at least 1, or a league.run.")


def check_shaping(config: TrainConfig, situations: PyTree) -> None:
    """Refuse to shape where there is nobody else to shape, or nothing that the others do not want already."""
    form = config.ppo.shaping
    if form == "none":
        return
    if config.num_members < 2:
        raise UserError(
            f"ppo.shaping: {form!r} with one learner, whose weights fill every learner's seat: there is nobody else to "
            f"shape, so num_members must be at least 2, or shaping 'none'."
        )
    shared = rewards.apply(config.reward, 0, situations)
    weights = getattr(getattr(shared, "sharing", None), "weights", None)
    if weights is not None and bool((weights == weights[:, :1]).all()):
        raise UserError(
            f"ppo.shaping: {form!r} where all agents share one reward: the others want the same already, so shaping "
            f"must be 'none', or the rows of sharing.weights must differ."
        )


def check_learner(config: TrainConfig, num_scripted: int) -> None:
    """Refuse learners that learn by action values where these cannot be learnt as asked."""
    learner = config.learner
    if learner not in ("q", "vdn"):
        return
    if config.ppo.shaping != "none":
        raise UserError(
            f"ppo.shaping: {config.ppo.shaping!r} changes the advantages of policy gradients, and learner {learner!r} "
            f"has none; it must be 'none'."
        )
    opponent = config.network.opponent
    if opponent.model == "none":
        check_opponent(opponent, NOTHING)
    for field in dataclasses.fields(opponent) if opponent.model != "none" else ():
        value = getattr(opponent, field.name)
        if value != field.default:
            raise UserError(
                f"network.opponent.{field.name}: {value!r}; learner {learner!r} has no opponent model, so it must be "
                f"left at {field.default!r}."
            )
    if learner == "q":
        return
    if config.num_members + config.league.seats + num_scripted > 1:
        raise UserError(
            f"learner: 'vdn' adds up the values of a team that shares one mind, and {config.num_members} learners, "
            f"{config.league.seats} past members and {num_scripted} scripted ones sit at the tables; num_members must "
            f"be 1, and nobody else may sit there."
        )
    if config.num_envs % config.ppo.num_minibatches:
        raise UserError(
            f"ppo.num_minibatches: {config.ppo.num_minibatches} does not divide the {config.num_envs} teams, one per "
            f"environment."
        )


def check_memory(config: TrainConfig) -> None:
    """Refuse a memory that is asked for what it cannot do."""
    network = config.network
    if network.recurrence == "transformer" and network.window > config.num_steps:
        raise UserError(
            f"network.window: {network.window} percepts are more than the {config.num_steps} of an unroll (num_steps), "
            f"and how to look back further is not learnt."
        )
    if network.recurrence == "transformer" and network.memory % network.heads:
        raise UserError(f"network.heads: {network.heads} does not divide network.memory, {network.memory}.")
    if network.episodes_per_memory > 1 and network.opponent.keeps_past:
        raise UserError(
            f"network.episodes_per_memory: {network.episodes_per_memory}; the model {network.opponent.model!r} adds up "
            f"what single episodes leave in memory, so it must be 1."
        )
    if network.recurrence == "none" and network.episodes_per_memory > 1:
        raise UserError(
            f"network.episodes_per_memory: {network.episodes_per_memory}; with network.recurrence 'none' it must be 1."
        )


LARGE = 2**31 - 1
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("num_populations", "num_members", "num_envs", "num_steps", "updates_per_round"), (1, LARGE)),
    **dict.fromkeys(("num_rounds", "rounds_per_chunk"), (1, LARGE)),
    **dict.fromkeys(("network.hidden", "network.memory", "ppo.num_epochs", "ppo.num_minibatches"), (1, LARGE)),
    **dict.fromkeys(("network.window", "network.heads", "network.episodes_per_memory"), (1, LARGE)),
    "network.opponent.width": (1, LARGE),
    **dict.fromkeys(("seed", "selection.every"), (0, LARGE)),
    **dict.fromkeys(("hyper.gamma", "hyper.gae_lambda", "selection.memory"), (0.0, 1.0)),
    **dict.fromkeys(("hyper.learning_rate", "hyper.clip", "hyper.entropy_weight"), (0.0, LARGE)),
    **dict.fromkeys(("hyper.value_weight", "hyper.opponent_weight", "hyper.shaping_weight"), (0.0, LARGE)),
    "ppo.max_grad_norm": (0.0, LARGE),
    **dict.fromkeys(("hyper.epsilon", "hyper.epsilon_decay"), (0.0, 1.0)),
    **dict.fromkeys(("reward.self_interest", "reward.final_self_interest", "reward.memory"), (0.0, 1.0)),
    **dict.fromkeys(("reward.rounds", "reward.envy", "reward.guilt"), (0.0, LARGE)),
    "reward.relatedness": (-1.0, 1.0),
    "reward.angle": (-180.0, 180.0),
    **dict.fromkeys(("matchmaking.assortment", "matchmaking.memory", "league.memory", "curriculum.memory"), (0.0, 1.0)),
    **dict.fromkeys(("matchmaking.power", "league.power", "curriculum.step", "curriculum.jitter"), (0.0, LARGE)),
    **dict.fromkeys(("league.seats", "league.moments", "league.every"), (0, LARGE)),
    **dict.fromkeys(("curriculum.replay", "curriculum.fill", "curriculum.staleness", "curriculum.edits"), (0.0, 1.0)),
    "curriculum.size": (1, LARGE),
    "curriculum.temperature": (1e-3, LARGE),
    "curriculum.success": (-LARGE, LARGE),
    "selection.fraction": (0.0, 0.5),
    **dict.fromkeys(("selection.mutation", "selection.intensity", "heredity.step"), (0.0, LARGE)),
    **dict.fromkeys(("selection.islands", "selection.migrants", "selection.nearest", "selection.probes"), (1, LARGE)),
    "selection.cells": (1, LARGE),
    "selection.radius": (1e-3, 1.0),
    "selection.contestants": (2, LARGE),
    "selection.migrate_every": (0, LARGE),
    "heredity.fidelity": (0.0, 1.0),
    **{f"heredity.{gene}": span for gene, span in GENES.items()},
}
"""Least and greatest value of every number of a `TrainConfig`."""


COUNTS: dict[str, tuple[str, tuple[Any, ...]]] = {
    **dict.fromkeys(("network.window", "network.heads"), ("network.recurrence", ("transformer",))),
    "network.opponent.width": ("network.opponent.model", ("embedding", "character")),
    "reward.relatedness": ("reward.kind", ("kinship",)),
    "reward.angle": ("reward.kind", ("svo",)),
    **dict.fromkeys(
        ("reward.self_interest", "reward.final_self_interest", "reward.rounds"), ("reward.kind", ("exchange",))
    ),
    **dict.fromkeys(("reward.envy", "reward.guilt", "reward.memory"), ("reward.kind", ("inequity",))),
    "selection.fraction": ("selection.rule", ("truncation",)),
    "selection.contestants": ("selection.rule", ("tournament",)),
    "selection.intensity": ("selection.rule", ("proportional", "moran_birth_death", "moran_death_birth", "fermi")),
    "selection.islands": ("selection.structure", ("islands",)),
    "selection.radius": ("selection.diversity", ("sharing",)),
    "selection.nearest": ("selection.diversity", ("novelty",)),
    **dict.fromkeys(("selection.cells", "selection.actions"), ("selection.diversity", ("elites",))),
    "selection.probes": ("selection.diversity", ("sharing", "novelty", "elites")),
    **dict.fromkeys(
        ("matchmaking.kin", "matchmaking.tags", "matchmaking.assortment"), ("matchmaking.rule", ("assortative",))
    ),
    "matchmaking.structure": ("matchmaking.rule", ("spatial",)),
    **dict.fromkeys(("matchmaking.prefer", "matchmaking.power", "matchmaking.memory"), ("matchmaking.rule", ("pfsp",))),
    "matchmaking.leave": ("matchmaking.rule", ("choice",)),
    **{
        f"curriculum.{field.name}": ("curriculum.kind", ("replay",))
        for field in dataclasses.fields(CurriculumConfig)
        if field.name != "kind"
    },
}
"""For which values of another field each field counts."""


def named(config: Any, prefix: str = "") -> dict[str, tuple[str, ...]]:
    """What each name of a config may be, from the types of its fields."""
    found = {}
    for name, hint in get_type_hints(config).items():
        if dataclasses.is_dataclass(hint):
            found |= named(hint, f"{prefix}{name}.")
        elif get_origin(hint) is Literal:
            found[prefix + name] = get_args(hint)
    return found


CHOICES = named(TrainConfig)
"""What every name of a `TrainConfig` may be."""


def check_choice(choices: dict[str, tuple[str, ...]], field: str, value: str) -> None:
    """Refuse a value that is none of a field's choices, if it has any."""
    if value not in choices.get(field, (value,)):
        raise UserError(f"{field}: {value!r}; allowed are {', '.join(map(repr, choices[field]))}.")


def check_fields(config: TrainConfig) -> None:
    """Refuse what is no choice, out of range, or set where it does not count."""

    def get(field: str, config: TrainConfig = config) -> Any:
        return functools.reduce(getattr, field.split("."), config)

    for field in CHOICES:
        check_choice(CHOICES, field, get(field))
    for field, (low, high) in RANGES.items():
        value = get(field)
        if not low <= value <= high:
            allowed = f"at least {low}" if value < low and high == LARGE else f"a number from {low} to {high}"
            raise UserError(f"{field}: {value}; it must be {allowed}.")
    usual = TrainConfig()
    for field, (chooser, counting) in COUNTS.items():
        if get(chooser) not in counting and get(field) != get(field, usual):
            raise UserError(
                f"{field}: {get(field)!r} counts where {chooser} is {' or '.join(map(repr, counting))}, and it is "
                f"{get(chooser)!r}; {field} must be left at {get(field, usual)!r}."
            )
