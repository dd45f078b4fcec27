"""Who beats whom, and whom that makes worth meeting."""

from __future__ import annotations

import jax.numpy as jnp

from softsim.types import Array, struct


@struct
class Standings:
    """Who beats whom, R of them against C; counts fade."""

    won: Array  # [R, C] float32   games that the row won, ties as half
    met: Array  # [R, C] float32   games


def no_standings(rows: int, columns: int) -> Standings:
    return Standings(jnp.zeros((rows, columns), jnp.float32), jnp.zeros((rows, columns), jnp.float32))


def count_wins(standings: Standings, memory: Array, row: Array, column: Array, payoff: Array) -> Standings:
    """Add one game of everybody with each other at its table. Of two, the one that was paid more has won.

    Args:
        memory: [] float32, weight of the past.
        row, column: [E, A] int32, as whom each place counts; beyond the table it does not.
        payoff: [E, A] float32.
    """
    rows, num_agents = standings.won.shape[0], payoff.shape[1]
    mine, other = payoff[:, :, None], payoff[:, None]
    won = jnp.where(mine == other, 0.5, (mine > other).astype(jnp.float32))
    two = ~jnp.eye(num_agents, dtype=bool)[None]
    at = jnp.where(two, row[:, :, None], rows), jnp.broadcast_to(column[:, None], won.shape)
    return Standings(
        (memory * standings.won).at[at].add(won, mode="drop"),
        (memory * standings.met).at[at].add(1.0, mode="drop"),
    )


def chance_to_win(standings: Standings) -> Array:
    """Estimate the probability, [R, C] float32, that the row wins: Jeffreys' estimate, one half before any game."""
    return (standings.won + 0.5) / (standings.met + 1.0)


def log_priority(chance: Array, prefer: str, power: Array) -> Array:
    """Weigh opponents by the chance to win against them, x: log of (1 - x)**p ("hard") or of (x (1 - x))**p ("even").

    Prioritised fictitious self-play (Vinyals et al. 2019, "Grandmaster level in StarCraft II", Methods), with the
    second raised to a power too.
    """
    hard = jnp.log1p(-chance)
    return power * (hard if prefer == "hard" else hard + jnp.log(chance))
