"""Runs: what one is, those that have a name (`softsim train --preset NAME`), and those that are in a folder."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from softsim import checkpoint
from softsim.curriculum import MANIFOLDS, Sampler, on_manifold
from softsim.envs import declare, make
from softsim.envs.describe import summary
from softsim.envs.params import EnvParams
from softsim.learners.networks import NetworkConfig
from softsim.learners.ppo import PPOConfig
from softsim.partners import partner
from softsim.train import Program, TrainState, assemble
from softsim.train_config import HyperConfig, SelectionConfig, TrainConfig
from softsim.types import Environment, PyTree, UserError

EXAMPLES = 16
"""Situations of a manifold on which what learned there is evaluated, or all there are where they are fixed."""


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """One training run: where it happens, and how."""

    game: tuple[str, ...] = ("commons_harvest_open",)  # several side by side; or matrix_manifold or grid_manifold
    num_agents: int | None = None  # of a game that leaves the choice
    horizon: int | None = None  # steps of every episode, instead of the game's own ending
    show_identity: bool | None = None  # whether agents in sight can be told apart, instead of the game's own rule
    train: Annotated[TrainConfig, tyro.conf.arg(name="")] = TrainConfig()

    def as_json(self) -> dict[str, Any]:
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def fingerprint(self) -> str:
        """Eight hexadecimal digits that differ between configs."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()[:8]

    def program(self) -> Program:
        """Make the run ready.

        Raises:
            UserError: a name or number is not allowed, or `league.run` names no run whose members fit.
        """
        world, situations, sampler = self.stage()
        check_episodes(world, situations, self.train)
        scripted = [partner(name, world, situations) for name in self.train.scripted]
        past = members_of(Path(self.train.league.run)) if self.train.league.run else None
        return assemble(self.train, world, situations, scripted, sampler=sampler, past=past)

    def stage(self) -> tuple[Environment, PyTree, Sampler | None]:
        """Make the world, its situations [G, ...], and the sampler of others where there are such."""
        if len(self.game) != 1 or self.game[0] not in MANIFOLDS:
            world, situations = make(self.game, self.num_agents, self.horizon)
            return world, told_apart(situations, self.show_identity), None
        for field, value in (("num_agents", self.num_agents), ("show_identity", self.show_identity)):
            if value is not None:
                raise UserError(f"{field}: {value}; {self.game[0]} has its own, and it must not be set.")
        number = min(self.train.num_envs, EXAMPLES)
        world, situations, sampler = on_manifold(self.game[0], self.horizon, number)
        return world, situations, None if self.train.curriculum.kind == "fixed" else sampler


def told_apart(situations: PyTree, show_identity: bool | None) -> PyTree:
    """Situations in which agents in sight can be told apart, or cannot; None leaves them as they are."""
    if show_identity is None:
        return situations
    if not isinstance(situations, EnvParams):
        raise UserError(f"show_identity: {show_identity}; nobody is seen in these games, so it must not be set.")
    return dataclasses.replace(situations, show_identity=jnp.full_like(situations.show_identity, show_identity))


def check_episodes(world: Environment, situations: PyTree, train: TrainConfig) -> None:
    """Refuse what lasts for several episodes where no second one begins before all memories are emptied."""
    network = train.network
    lasting = {
        "network.episodes_per_memory": network.episodes_per_memory if network.episodes_per_memory > 1 else None,
        "network.opponent.model": network.opponent.model if network.opponent.keeps_past else None,
    }
    if not any(lasting.values()):
        return
    steps = train.num_steps * train.updates_per_round
    shortest = getattr(world, "shortest", lambda situation: jnp.int32(0))
    least = int(jax.vmap(shortest)(situations).min())
    if steps > least + 1:
        return
    for field, value in lasting.items():
        if value is not None:
            raise UserError(
                f"{field}: {value!r} needs several episodes in a round, whose {steps} steps (num_steps x "
                f"updates_per_round) are no more than one, of {least} steps at least; a horizon sets another length."
            )


def from_json(row: dict[str, Any]) -> RunConfig:
    """Rebuild a config from what `as_json` wrote."""
    return _fill(RunConfig, row)


def _fill(kind: Any, row: Any) -> Any:
    if not dataclasses.is_dataclass(kind):
        return tuple(row) if isinstance(row, list) else row
    if not isinstance(row, dict):
        raise UserError(f"config: {kind.__name__} is {row!r}; it must be an object of named fields.")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(row) - set(fields))
    if unknown:
        raise UserError(f"config: unknown field {unknown[0]!r}; allowed are {', '.join(fields)}.")
    defaults = kind()
    return kind(**{name: _fill(type(getattr(defaults, name)), value) for name, value in row.items()})


def stored_config(path: Path, field: str = "run") -> dict[str, Any]:
    """The config in a file, as JSON.

    Raises:
        UserError: the file is not one of ours.
    """
    try:
        return json.loads(path.read_text())["config"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{field}: {path} is not a softsim config; choose another folder.") from None


def read_config(folder: Path, field: str = "run") -> RunConfig:
    """Read the config of a run.

    Args:
        field: by which the folder was named.

    Raises:
        UserError: the folder holds no run.
    """
    path = folder / "config.json"
    if not path.exists():
        raise UserError(f"{field}: {folder} holds no run; name a folder that `softsim train` has made.")
    return from_json(stored_config(path, field))


def reopen(folder: Path, field: str = "run") -> tuple[RunConfig, Program, tuple[int, TrainState, Path]]:
    """Restore the newest intact checkpoint of a run.

    Returns:
        Its config, its program, and of the checkpoint: rounds done, the state, and where it is.

    Raises:
        UserError: the folder holds no run, or none of its checkpoints can be read.
    """
    config = read_config(folder, field)
    program = config.program()
    restored = checkpoint.restore(folder / "checkpoints", lambda: jax.eval_shape(program.init))
    if restored is None:
        raise UserError(f"{field}: {folder} holds no checkpoint yet; train it for longer first.")
    return config, program, restored


def members_of(folder: Path) -> PyTree:
    """Take members from a run to be the league of another: weights, leaves [Z, ...].

    All copies that its own league has kept, if it kept any, as fictitious co-play wants them, else all its members.

    Raises:
        UserError: as by `reopen`.
    """
    config, _, (_, state, _) = reopen(folder, "league.run")
    if config.train.league.moments == 0:
        return jax.tree.map(lambda leaf: jax.lax.collapse(leaf, 0, 2), state.population.mind)
    there = np.asarray(state.league.taken) >= 0
    return jax.tree.map(lambda leaf: leaf[there], state.league.mind)


FIVE_GAMES = ("commons_harvest_open", "commons_harvest_closed", "commons_harvest_partnership", "clean_up", "coins")
"""Grid games that need the least of the engine, for quick comparisons."""

PRESETS: dict[str, RunConfig] = {
    "quickstart": RunConfig(
        game=("commons_harvest_open",),
        horizon=128,
        train=TrainConfig(
            num_populations=2,
            num_members=4,
            num_envs=16,
            num_steps=128,
            num_rounds=60,
            rounds_per_chunk=3,
            hyper=HyperConfig(opponent_weight=1.0),
            ppo=PPOConfig(num_epochs=2, num_minibatches=2),
            selection=SelectionConfig(every=10),
        ),
    ),
    "dilemma": RunConfig(
        game=("prisoners_dilemma",),
        horizon=32,
        train=TrainConfig(
            num_populations=8,
            num_members=4,
            scripted=("tit_for_tat", "random"),
            num_envs=48,
            num_steps=32,
            num_rounds=200,
            rounds_per_chunk=20,
        ),
    ),
    "mixed_pool": RunConfig(
        game=("donation",),
        horizon=32,
        train=TrainConfig(
            num_populations=4,
            num_members=1,
            scripted=("random_memory_one:0.25,0.25",),
            num_envs=64,
            num_steps=32,
            num_rounds=600,
            rounds_per_chunk=20,
            network=NetworkConfig(hidden=16, memory=16),
            hyper=HyperConfig(learning_rate=1e-2, gamma=0.95, entropy_weight=0.03, opponent_weight=1.0),
            ppo=PPOConfig(num_epochs=4, num_minibatches=1),
        ),
    ),
    "storm": RunConfig(
        game=("storm",),
        horizon=32,
        train=TrainConfig(
            num_populations=64,
            num_members=4,
            num_envs=4,
            num_steps=32,
            num_rounds=300,
            rounds_per_chunk=10,
            network=NetworkConfig(hidden=16, memory=16),
            hyper=HyperConfig(learning_rate=3e-3),
            ppo=PPOConfig(num_epochs=2, num_minibatches=1),
            selection=SelectionConfig(every=10, rule="tournament", fitness="payoff"),
        ),
    ),
    "five_games": RunConfig(
        game=FIVE_GAMES,
        horizon=128,
        train=TrainConfig(
            num_populations=2,
            num_members=4,
            num_envs=20,
            num_steps=128,
            num_rounds=100,
            rounds_per_chunk=5,
            hyper=HyperConfig(opponent_weight=1.0),
            ppo=PPOConfig(num_epochs=2, num_minibatches=5),
            selection=SelectionConfig(every=10),
        ),
    ),
}


def describe(name: str) -> dict[str, Any]:
    """What `softsim games` says of one game.

    Raises:
        UserError: the name is unknown.
    """
    return summary(declare(name))
