"""Repeated matrix games: the probe whose answers are known on paper. Payoffs, continuation and tremble are data."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from softsim.envs import noise
from softsim.envs.params import Sharing
from softsim.envs.sharing import share
from softsim.types import Array, Timestep, UserError, struct


@struct
class MatrixParams:
    """One repeated game."""

    payoff: Array  # [A, K**A] float32   payoff of each agent at each joint move, agent 0's move the most significant
    continuation: Array  # [] float32   probability that another round follows: a true end, so discount is 0
    tremble: Array  # [] float32   probability that a move turns into one of the others, each as likely
    horizon: Array  # [] int32   rounds at most: a time limit, so discount stays 1
    sharing: Sharing


@struct
class MatrixState:
    step: Array  # [] int32   rounds played


@struct
class MatrixObservation:
    """The last round as each agent saw it; zeros before the first."""

    move: Array  # [A, A, K] float32   one-hot moves as played: row 0 one's own, then the others by relative slot
    payoff: Array  # [A] float32   one's own


@dataclasses.dataclass(frozen=True)
class MatrixWorld:
    """The environment of all repeated games with as many agents and moves."""

    num_agents: int
    action_names: tuple[str, ...]

    @property
    def num_actions(self) -> int:
        return len(self.action_names)

    @property
    def event_names(self) -> tuple[str, ...]:
        return self.action_names

    def reset(self, key: Array, params: MatrixParams) -> tuple[MatrixState, Timestep]:
        """Begin a match; nothing is random yet."""
        del key
        num_agents, num_actions = self.num_agents, self.num_actions
        observation = MatrixObservation(
            jnp.zeros((num_agents, num_agents, num_actions), jnp.float32), jnp.zeros(num_agents, jnp.float32)
        )
        nothing = jnp.zeros(num_agents, jnp.float32)
        events = jnp.zeros((num_agents, num_actions), jnp.int32)
        timestep = self._timestep(observation, nothing, nothing, nothing + 1.0, events, first=True, last=False)
        return MatrixState(jnp.int32(0)), timestep

    def step(self, key: Array, params: MatrixParams, state: MatrixState, action: Array) -> tuple[MatrixState, Timestep]:
        """Play one round; `action` is [A] int32."""
        num_agents, num_actions = self.num_agents, self.num_actions
        word = jax.random.bits(key, (2 * num_agents + 1,), jnp.uint32)
        slips = noise.happens(word[:num_agents], noise.threshold(params.tremble))
        shift = 1 + noise.choice(word[num_agents:-1], jnp.uint32(num_actions - 1)).astype(jnp.int32)
        action = jnp.where(slips, (action + shift) % num_actions, action)

        joint = jnp.sum(action * jnp.array([num_actions**i for i in reversed(range(num_agents))], jnp.int32))
        payoff = params.payoff[:, joint]
        everyone = jnp.ones(num_agents, bool)
        reward, _ = share(params.sharing, payoff, jnp.zeros_like(payoff), everyone)

        state = MatrixState(state.step + 1)
        ends = ~noise.happens(word[-1], noise.threshold(params.continuation))
        discount = jnp.full(num_agents, jnp.where(ends, 0.0, 1.0), jnp.float32)
        played = jax.nn.one_hot(action, num_actions, dtype=jnp.float32)
        slot = jnp.arange(num_agents, dtype=jnp.int32)
        observation = MatrixObservation(played[(slot[:, None] + slot[None]) % num_agents], payoff)
        last = ends | (state.step >= params.horizon)
        events = played.astype(jnp.int32)
        return state, self._timestep(observation, reward, payoff, discount, events, first=False, last=last)

    def _timestep(self, observation, reward, payoff, discount, events, first, last) -> Timestep:
        return Timestep(
            observation=observation,
            reward=reward,
            payoff=payoff,
            discount=discount,
            agent_mask=jnp.ones(self.num_agents, bool),
            action_mask=jnp.ones((self.num_agents, self.num_actions), bool),
            first=jnp.asarray(first),
            last=jnp.asarray(last),
            events=events,
        )


@dataclasses.dataclass(frozen=True)
class MatrixGame:
    """A repeated game as its author thinks of it. `payoff[i]` is agent i's tensor, indexed by the moves in turn."""

    name: str
    payoff: np.ndarray  # [A, K, ..., K]
    action_names: tuple[str, ...] = ("cooperate", "defect")
    continuation: float = 1.0
    tremble: float = 0.0
    horizon: int = 32
    family: str = "matrix"
    question: str = ""
    dilemma: str = ""

    @property
    def num_agents(self) -> int:
        return len(self.payoff)


def two_by_two(reward: float, sucker: float, temptation: float, punishment: float) -> np.ndarray:
    """Payoffs [2, 2, 2] of the symmetric game whose row player gets R, S, T, P at CC, CD, DC, DD."""
    row = np.array([[reward, sucker], [temptation, punishment]], np.float32)
    return np.stack([row, row.T])


def symmetric(num_agents: int, value: Callable[[bool, int], float]) -> np.ndarray:
    """Payoffs of a two-move game in which only one's own move and the number of cooperators count.

    Args:
        value: (whether one cooperates, how many cooperate in all) -> payoff.
    """
    payoff = np.zeros((num_agents,) + (2,) * num_agents, np.float32)
    for moves in itertools.product((0, 1), repeat=num_agents):
        for agent, move in enumerate(moves):
            payoff[(agent, *moves)] = value(move == 0, moves.count(0))
    return payoff


def public_good(num_agents: int, multiplier: float) -> np.ndarray:
    """Linear public good: a contribution costs 1, and `multiplier` times all contributions is split equally."""
    return symmetric(num_agents, lambda gives, count: multiplier * count / num_agents - gives)


def volunteer(num_agents: int, benefit: float, cost: float) -> np.ndarray:
    """Volunteer's dilemma (Diekmann 1985): everyone has the benefit if anyone pays the cost."""
    return symmetric(num_agents, lambda gives, count: benefit * (count > 0) - cost * gives)


def compile_matrix_games(games: Sequence[MatrixGame]) -> tuple[MatrixWorld, MatrixParams]:
    """Compile games of one shape into one world and their stacked situations, leading axis `len(games)`.

    Raises:
        UserError: shapes differ, or a number is not allowed.
    """
    if not games:
        raise UserError("games: none given; at least one is needed.")
    shapes = [(game.name, np.shape(game.payoff), game.action_names) for game in games]
    if len({shape[1:] for shape in shapes}) != 1:
        raise UserError(f"games: matrix games stepped together share agents and moves, and these have {shapes}.")
    for game in games:
        check(game)
    num_agents = games[0].num_agents
    stack = lambda values: jnp.asarray(np.stack(values))  # noqa: E731
    params = MatrixParams(
        payoff=stack([np.asarray(game.payoff, np.float32).reshape(num_agents, -1) for game in games]),
        continuation=stack([np.float32(game.continuation) for game in games]),
        tremble=stack([np.float32(game.tremble) for game in games]),
        horizon=stack([np.int32(game.horizon) for game in games]),
        sharing=Sharing(
            weights=stack([np.eye(num_agents, dtype=np.float32)] * len(games)),
            envy=stack([np.zeros(num_agents, np.float32)] * len(games)),
            guilt=stack([np.zeros(num_agents, np.float32)] * len(games)),
            memory=stack([np.float32(0.0)] * len(games)),
        ),
    )
    return MatrixWorld(num_agents, games[0].action_names), params


def check(game: MatrixGame) -> None:
    """Refuse a declaration that cannot be meant, in one sentence."""
    num_actions, payoff = len(game.action_names), np.asarray(game.payoff, np.float64)
    if payoff.shape != (game.num_agents,) + (num_actions,) * game.num_agents:
        raise UserError(
            f"{game.name}: payoff has shape {payoff.shape}; with moves {game.action_names} it must be "
            f"[A, {num_actions}, ...], one axis per agent after the first."
        )
    bad = payoff[~(np.abs(payoff) <= np.finfo(np.float32).max)]
    if bad.size:
        raise UserError(f"{game.name}: payoff holds {bad[0]}; it must be a finite float32.")
    for field in ("continuation", "tremble"):
        if not 0.0 <= getattr(game, field) <= 1.0:
            raise UserError(f"{game.name}: {field} is {getattr(game, field)}; it must be a number from 0 to 1.")
    if game.horizon < 1:
        raise UserError(f"{game.name}: horizon is {game.horizon}; it must be at least 1 round.")
