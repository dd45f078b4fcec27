"""Repeated matrix games: the probe whose answers are known on paper.

Payoffs, continuation, tremble, who moves when and who sees what are data: simultaneous and sequential games of one
shape are stepped side by side.
"""

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
    observability: Array  # [] float32   probability that an agent sees another's move, per ordered pair and round
    sequential: Array  # [] bool   agents move one per step in the order of their slots, else all at once
    horizon: Array  # [] int32   rounds at most: a time limit, so discount stays 1
    sharing: Sharing


@struct
class MatrixState:
    """Where a match stands. In sequential games a round takes A steps, else one."""

    step: Array  # [] int32   rounds played
    turn: Array  # [] int32   moves already made in this round, and so the slot that moves next; 0 if all move at once
    move: Array  # [A] int32   latest move of each, as played; -1 before the first
    seen: Array  # [A, A] bool   row i: whose latest moves agent i saw, by slot
    payoff: Array  # [A] float32   of the last complete round
    trace: Array  # [A] float32   decaying sum of payoffs, which envy and guilt compare


@struct
class MatrixObservation:
    """What each agent knows of the match; rows are by relative slot, oneself first, the next agent second, ..."""

    move: Array  # [A, A, K] float32   latest moves as played, one-hot; zeros where unseen, and before the first
    payoff: Array  # [A] float32   one's own in the last complete round; 0 before the first
    waits: Array  # [A, A] float32   1 where that agent does not move next: zeros unless the game is sequential


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

    def shortest(self, params: MatrixParams) -> Array:
        """Tell how many steps every match has at least, [] int32."""
        rounds = jnp.where(params.continuation < 1, 1, params.horizon)
        return rounds * jnp.where(params.sequential, self.num_agents, 1)

    def reset(self, key: Array, params: MatrixParams) -> tuple[MatrixState, Timestep]:
        """Begin a match; nothing is random yet."""
        del key
        num_agents = self.num_agents
        nothing = jnp.zeros(num_agents, jnp.float32)
        state = MatrixState(
            step=jnp.int32(0),
            turn=jnp.int32(0),
            move=jnp.full(num_agents, -1, jnp.int32),
            seen=jnp.zeros((num_agents, num_agents), bool),
            payoff=nothing,
            trace=nothing,
        )
        events = jnp.zeros((num_agents, self.num_actions), jnp.int32)
        return state, self._timestep(params, state, nothing, nothing, nothing + 1.0, events, first=True, last=False)

    def step(self, key: Array, params: MatrixParams, state: MatrixState, action: Array) -> tuple[MatrixState, Timestep]:
        """Let those move whose turn it is, and pay once everybody has; `action` is [A] int32, the others' ignored."""
        num_agents, num_actions = self.num_agents, self.num_actions
        word = jax.random.bits(key, (2 * num_agents + 1 + num_agents**2,), jnp.uint32)
        slip_word, shift_word, end_word, sight_word = jnp.split(word, [num_agents, 2 * num_agents, 2 * num_agents + 1])
        slips = noise.happens(slip_word, noise.threshold(params.tremble))
        shift = 1 + noise.choice(shift_word, jnp.uint32(num_actions - 1)).astype(jnp.int32)
        moves = self._moves(params, state.turn)
        move = jnp.where(moves, jnp.where(slips, (action + shift) % num_actions, action), state.move)
        sees = noise.happens(sight_word.reshape(num_agents, num_agents), noise.threshold(params.observability))
        seen = jnp.where(moves[None], sees | jnp.eye(num_agents, dtype=bool), state.seen)

        complete = ~params.sequential | (state.turn == num_agents - 1)
        joint = jnp.sum(move * jnp.array([num_actions**i for i in reversed(range(num_agents))], jnp.int32))
        payoff = jnp.where(complete, params.payoff[:, jnp.where(complete, joint, 0)], 0.0)
        everyone = jnp.ones(num_agents, bool)
        reward, trace = share(params.sharing, payoff, state.trace, everyone)

        state = MatrixState(
            step=state.step + complete.astype(jnp.int32),
            turn=jnp.where(complete, 0, state.turn + 1),
            move=move,
            seen=seen,
            payoff=jnp.where(complete, payoff, state.payoff),
            trace=trace,
        )
        ends = complete & ~noise.happens(end_word[0], noise.threshold(params.continuation))
        discount = jnp.full(num_agents, jnp.where(ends, 0.0, 1.0), jnp.float32)
        last = ends | (complete & (state.step >= params.horizon))
        events = jax.nn.one_hot(move, num_actions, dtype=jnp.int32) * moves[:, None]
        return state, self._timestep(params, state, reward, payoff, discount, events, first=False, last=last)

    def _moves(self, params: MatrixParams, turn: Array) -> Array:
        """Say who moves next, [A] bool."""
        return ~params.sequential | (jnp.arange(self.num_agents, dtype=jnp.int32) == turn)

    def _timestep(self, params, state, reward, payoff, discount, events, first, last) -> Timestep:
        num_agents, num_actions = self.num_agents, self.num_actions
        slot = jnp.arange(num_agents, dtype=jnp.int32)
        other = (slot[:, None] + slot[None]) % num_agents
        played = jax.nn.one_hot(state.move, num_actions, dtype=jnp.float32)
        seen = jnp.take_along_axis(state.seen, other, 1)
        moves = self._moves(params, state.turn)
        idle = jnp.arange(num_actions, dtype=jnp.int32) == 0
        return Timestep(
            observation=MatrixObservation(
                move=jnp.where(seen[..., None], played[other], 0.0),
                payoff=state.payoff,
                waits=jnp.where(moves[other], 0.0, 1.0).astype(jnp.float32),
            ),
            reward=reward,
            payoff=payoff,
            discount=discount,
            agent_mask=jnp.ones(num_agents, bool),
            action_mask=moves[:, None] | idle[None],
            first=jnp.asarray(first),
            last=jnp.asarray(last),
            events=events,
        )


@dataclasses.dataclass(frozen=True)
class MatrixGame:
    """A repeated game as its author thinks of it; `MatrixParams` says what its numbers do.

    `payoff[i]` is agent i's tensor, indexed by the moves in turn.
    """

    name: str
    payoff: np.ndarray  # [A, K, ..., K]
    action_names: tuple[str, ...] = ("cooperate", "defect")
    continuation: float = 1.0
    tremble: float = 0.0
    observability: float = 1.0
    sequential: bool = False
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
    stack = lambda values: jax.device_put(np.stack(values))  # noqa: E731
    params = MatrixParams(
        payoff=stack([np.asarray(game.payoff, np.float32).reshape(num_agents, -1) for game in games]),
        continuation=stack([np.float32(game.continuation) for game in games]),
        tremble=stack([np.float32(game.tremble) for game in games]),
        observability=stack([np.float32(game.observability) for game in games]),
        sequential=stack([np.bool_(game.sequential) for game in games]),
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
    for field in ("continuation", "tremble", "observability"):
        if not 0.0 <= getattr(game, field) <= 1.0:
            raise UserError(f"{game.name}: {field} is {getattr(game, field)}; it must be a number from 0 to 1.")
    if not isinstance(game.sequential, (bool, np.bool_)):
        raise UserError(f"{game.name}: sequential is {game.sequential!r}; it must be True or False.")
    if game.horizon < 1:
        raise UserError(f"{game.name}: horizon is {game.horizon}; it must be at least 1 round.")
