"""What a round of play shows of the situations in it, and what that says about playing them again."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from softsim.curriculum.config import CurriculumConfig
from softsim.learners.ppo import Hyper
from softsim.learners.returns import generalized_advantage
from softsim.types import Array, Trajectory, struct


def watch(trajectory: Trajectory) -> dict[str, Array]:
    """Take from a trajectory what `observe` needs."""
    fields = ("reward", "discount", "value", "last", "agent_mask")
    return {name: getattr(trajectory, name) for name in fields} | {"first": trajectory.percept.first}


def join(watched: dict[str, Array]) -> dict[str, Array]:
    """Put what was watched in the segments of a round one after the other: [U, N, P, S, T] to [N, P, S, U T]."""

    def together(name: str, leaf: Array) -> Array:
        steps = watched["reward"].shape[-1]
        row = jnp.moveaxis(leaf[..., :steps], 0, -2).reshape(*leaf.shape[1:-1], -1)
        return jnp.concatenate([row, leaf[-1][..., steps:]], -1)

    return {name: together(name, leaf) for name, leaf in watched.items()}


@struct
class Evidence:
    """What a round shows of the situations that E environments played; J is 1 or, for "partners", M."""

    total: Array  # [E, J] float32
    weight: Array  # [E, J] float32
    best: Array  # [E] float32


def observe(
    config: CurriculumConfig, width: int, hyper: Hyper, watched: dict[str, Array], sitting: Array, place: Array
) -> Evidence:
    """Measure what `worth` is made of, over the seats of all learners in each environment.

    - "advantage": the positive part of advantages, per step.
    - "max_mc": values per step, and the highest return from the start of an episode, discounted as values are.
    - "success": whether the return was above `config.success`, per episode that was played to its end.
    - "partners": returns, per episode, by who sat at the same table.

    Args:
        width: J. hyper: leaves [P]. watched: of `join`, leaves [P, S, ...].
        sitting: [E, A] int32 who sits where. place: [P, S] int32 places of the learners' seats.
    """
    num_envs, num_agents = sitting.shape
    env, slot = jnp.divmod(place, num_agents)
    reward, value = watched["reward"], watched["value"][..., :-1]
    ends, begins = watched["last"][..., 1:], watched["first"]
    played = ~watched["last"][..., :-1] & watched["agent_mask"]

    def advantage(decay: Array) -> Array:
        of_seats = jax.vmap(generalized_advantage, in_axes=(0, 0, 0, 0, None, None))
        given = (watched[name] for name in ("reward", "discount", "value", "last"))
        return jax.vmap(of_seats)(*given, hyper.gamma, decay)

    def over(values: Array, where: Array) -> Array:
        return jnp.where(where, values, 0.0).sum(-1)

    def times(where: Array) -> Array:
        return where.sum(-1).astype(jnp.float32)

    best, column = jnp.full(place.shape, -jnp.inf, jnp.float32), jnp.zeros((*place.shape, 1), jnp.int32)
    if config.score == "advantage":
        total, weight = over(jnp.maximum(advantage(hyper.gae_lambda), 0.0), played), times(played)
    elif config.score == "max_mc":
        total, weight = over(value, played), times(played)
        returns = advantage(jnp.ones_like(hyper.gae_lambda)) + value
        best = jnp.where(begins & played, returns, -jnp.inf).max(-1)
    elif config.score == "success":
        complete = played & ends
        total = times(complete & (running(jnp.where(played, reward, 0.0), begins) > config.success))
        weight = times(complete)
    else:
        total, weight = over(reward, played), times(begins & played)
        ahead = jnp.arange(1, num_agents, dtype=jnp.int32)[None, None]
        column = sitting[env[..., None], (slot[..., None] + ahead) % num_agents]  # [P, S, A - 1]

    def gather(of_seats: Array) -> Array:
        empty = jnp.zeros((num_envs, width), jnp.float32)
        return empty.at[env[..., None], column].add(of_seats[..., None])

    return Evidence(gather(total), gather(weight), jnp.full(num_envs, -jnp.inf, jnp.float32).at[env].max(best))


def running(reward: Array, begins: Array) -> Array:
    """Sum rewards [..., T] since the episode began, [..., T] float32."""

    def step(total: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        total = jnp.where(now[1], 0.0, total) + now[0]
        return total, total

    by_time = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), (reward, begins))
    return jnp.moveaxis(jax.lax.scan(step, jnp.zeros_like(reward[..., 0]), by_time)[1], 0, -1)


def worth(score: str, total: Array, weight: Array, best: Array) -> Array:
    """What there is to learn in situations, [B] float32, from sums of `observe`.

    - "advantage": its mean ("positive value loss"; Jiang et al. 2021, arXiv 2110.02439).
    - "max_mc": the best return minus the mean value, an estimate of regret (same).
    - "success": p (1 - p), where p is the share of successes (Rutherford et al. 2024, arXiv 2408.15099). It takes
      games in which an episode either succeeds or does not.
    - "partners": the variance between the mean returns beside each partner that was met; our analogue of p (1 - p) for
      games in which what one gets depends on whom one is with.

    Args:
        total, weight: [B, J] float32. best: [B] float32.
    """
    mean = total / jnp.maximum(weight, 1e-6)
    if score == "advantage":
        return mean[:, 0]
    if score == "max_mc":
        return best - mean[:, 0]
    if score == "success":
        return mean[:, 0] * (1.0 - mean[:, 0])
    met = (weight > 0.0).astype(jnp.float32)
    number = jnp.maximum(met.sum(1), 1.0)
    centre = (mean * met).sum(1) / number
    return (met * (mean - centre[:, None]) ** 2).sum(1) / number
