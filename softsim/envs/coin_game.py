"""The coin game of the literature on opponent shaping, in its two versions that are not comparable.

Two agents on a torus of 3 x 3 cells, which they may share. Any coin pays 1 to who takes it, and takes 2 from the other
if it is of the other's colour; two who step on a coin together both take it.

two coins: one of each colour always lies somewhere, and comes back on any cell. Lu et al. 2022 (M-FOS,
    arXiv 2205.01447) as in the Pax library, which also drops the reward of an episode's last step; that is left out.
one coin: it comes back on a cell without agents, in the other colour. Foerster et al. 2018 (LOLA, arXiv 1709.04326) and
    Zhao et al. 2022 (POLA, arXiv 2210.10125), where agents cannot stay where they are.

The game is from Lerer and Peysakhovich 2017 (arXiv 1707.01068); `coins_classic` is the two-coin version as a grid
world, whose agents have headings and never share a cell.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from softsim.envs.params import Sharing
from softsim.envs.sharing import share
from softsim.types import Array, Timestep, struct

SIDE = 3
CELLS = SIDE * SIDE
ACTIONS = ("stay", "up", "down", "left", "right")
STEPS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # rows down, columns right
ABSENT = -1


@struct
class CoinParams:
    """Which version, and for how long."""

    one_coin: Array  # [] bool
    may_stay: Array  # [] bool   whether `stay` is allowed
    horizon: Array  # [] int32   steps of an episode: a time limit, so discount stays 1
    sharing: Sharing


@struct
class CoinState:
    """Where everything is; cell `3 * row + column`."""

    step: Array  # [] int32
    position: Array  # [2] int32
    coin: Array  # [2] int32   of each colour, agent i's being colour i; `ABSENT` if it does not lie anywhere
    trace: Array  # [2] float32   decaying sum of payoffs, which envy and guilt compare


@struct
class CoinObservation:
    """What each agent sees, itself in the middle."""

    around: Array  # [2, 3, 3, 3] float32   1 where the other, a coin of its own and one of the other's colour are


def coin_params(one_coin: bool, horizon: int = 50, may_stay: bool | None = None) -> CoinParams:
    """Params of one version; agents may stay where they are in the two-coin version, unless said otherwise."""
    return CoinParams(
        one_coin=jnp.bool_(one_coin),
        may_stay=jnp.bool_(not one_coin if may_stay is None else may_stay),
        horizon=jnp.int32(horizon),
        sharing=Sharing(
            weights=jnp.eye(2, dtype=jnp.float32), envy=jnp.zeros(2), guilt=jnp.zeros(2), memory=jnp.float32(0.0)
        ),
    )


def move(position: Array, action: Array) -> Array:
    """Cells after a step from `position`, [A] int32, around the edges."""
    step = jnp.array(STEPS, jnp.int32)[action]
    return (position // SIDE + step[:, 0]) % SIDE * SIDE + (position % SIDE + step[:, 1]) % SIDE


def displacement(start: Array, end: Array) -> Array:
    """The shortest way from cells to cells [...], as rows down and columns right, each -1, 0 or 1: [..., 2] int32."""
    rows, columns = end // SIDE - start // SIDE, end % SIDE - start % SIDE
    return (jnp.stack([rows, columns], -1) + 1) % SIDE - 1


@dataclasses.dataclass(frozen=True)
class CoinGame:
    """The environment of both versions."""

    num_agents: int = 2
    action_names: tuple[str, ...] = ACTIONS
    event_names: tuple[str, ...] = ("took_own", "took_other")

    @property
    def num_actions(self) -> int:
        return len(self.action_names)

    def shortest(self, params: CoinParams) -> Array:
        """Tell how many steps every episode has, [] int32."""
        return params.horizon

    def reset(self, key: Array, params: CoinParams) -> tuple[CoinState, Timestep]:
        """Begin with everything on random cells, and, of one coin, a random colour."""
        key_place, key_coin, key_colour = jax.random.split(key, 3)
        position = jax.random.randint(key_place, (2,), 0, CELLS)
        coin = self._fresh(key_coin, params, position)
        lies = jnp.arange(2) == jax.random.randint(key_colour, (), 0, 2)
        coin = jnp.where(params.one_coin & ~lies, ABSENT, coin)
        nothing = jnp.zeros(2, jnp.float32)
        state = CoinState(jnp.int32(0), position, coin, nothing)
        return state, self._timestep(params, state, nothing, nothing, jnp.zeros((2, 2), bool))

    def step(self, key: Array, params: CoinParams, state: CoinState, action: Array) -> tuple[CoinState, Timestep]:
        """Move both at once, pay who stands on coins, and put those that are taken elsewhere."""
        position = move(state.position, action)
        took = position[:, None] == state.coin[None]  # [A, colour]
        mine = jnp.eye(2, dtype=bool)
        lost = (took & ~mine).any(0)
        payoff = took.sum(1) - 2.0 * lost

        taken = took.any(0)
        fresh = self._fresh(key, params, position)
        # Of one coin, that of the other colour follows.
        follows = jnp.where(params.one_coin, taken[::-1], taken)
        coin = jnp.where(follows, fresh, jnp.where(taken, ABSENT, state.coin))
        reward, trace = share(params.sharing, payoff, state.trace, jnp.ones(2, bool))
        state = CoinState(state.step + 1, position, coin, trace)
        return state, self._timestep(params, state, reward, payoff, took)

    def _fresh(self, key: Array, params: CoinParams, position: Array) -> Array:
        """Random cells for a coin of either colour, [2] int32: any, or of one coin those without agents."""
        chance = jax.random.uniform(key, (2, CELLS))
        stood = (jnp.arange(CELLS)[:, None] == position[None]).any(1)
        return jnp.argmax(jnp.where((stood & params.one_coin)[None], -1.0, chance), 1).astype(jnp.int32)

    def _timestep(self, params: CoinParams, state: CoinState, reward: Array, payoff: Array, took: Array) -> Timestep:
        place = jnp.stack([state.position[::-1], state.coin, state.coin[::-1]], 1)  # [A, what]
        shift = displacement(state.position[:, None], place) + 1
        seen = jax.nn.one_hot(shift[..., 0] * SIDE + shift[..., 1], CELLS) * (place >= 0)[..., None]
        stay = jnp.arange(self.num_actions) == 0
        events = jnp.stack([jnp.diagonal(took), jnp.diagonal(took[:, ::-1])], 1).astype(jnp.int32)
        return Timestep(
            observation=CoinObservation(seen.reshape(2, 3, SIDE, SIDE)),
            reward=reward,
            payoff=payoff,
            discount=jnp.ones(2, jnp.float32),
            agent_mask=jnp.ones(2, bool),
            action_mask=jnp.broadcast_to(~stay | params.may_stay, (2, self.num_actions)),
            first=state.step == 0,
            last=state.step >= params.horizon,
            events=events,
        )
