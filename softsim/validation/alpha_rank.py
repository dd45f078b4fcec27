"""Alpha-rank gives what symmetry and detailed balance demand, by the chain that rare mutations follow too.

Method. `softsim.evaluation.rating` plays payoff tables and `softsim.theory.fixation.rare_mutations` is the one chain of
all figures here; only the fixation probability of a pair differs. Alpha-rank is that of Omidshafiei et al. 2019 (Sci.
Rep. 9:9937) in one population of 50.

- *Rock, paper, scissors*: one third each by symmetry, at any intensity; Elo sees no difference either, and the
  equilibrium is one third each.
- *A ladder*, where a payoff depends on one's own kind alone: the chain is in detailed balance, so shares go like
  exp((m - 1) alpha v). With such payoffs imitation by the Fermi rule has the same chain, which is computed otherwise.
- *Strong selection*: in one round of the prisoner's dilemma the defector, who is dominant, has all mass; a member that
  loses to all of rock, paper and scissors has none and changes nothing between them.
- *Rare mutations* among ALLC, ALLD and TFT (Imhof, Fudenberg, Nowak 2005), as in `repeated-games`.
- *A table of memory-one strategies* from `payoff_table`: ten rounds against sums by hand, and the ratings of eight
  strategies at continuation .95 as found, in the order of the first row of names below.

No randomness.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from softsim.evaluation.rating import alpha_rank, payoff_table, rate
from softsim.theory import fixation, memory_one
from softsim.validation.figures import Figure, as_found, at_least, at_most, within
from softsim.validation.repeated_games import DILEMMA, STATIONARY, rare_mutations_among_three, ten_rounds

CYCLE = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])


def run(small: bool, say: Callable[[str], None]) -> dict[str, Figure]:
    """Run all of it; `small` is the same, as it takes seconds."""
    del small
    with jax.enable_x64(True):
        found = symmetry() | ladder() | strong_selection()
        say("cycles, ladders and dominance ranked")
        found["ALLC ALLD TFT under rare mutations, N = 20"] = within(
            rare_mutations_among_three(20), STATIONARY[20], 5e-5
        )
        return found | memory_one_strategies()


def symmetry() -> dict[str, Figure]:
    third = [1 / 3] * 3
    figures = {
        f"rock paper scissors, alpha = {alpha:g}": within(alpha_rank(jnp.array(CYCLE), alpha)[1], third, 1e-12)
        for alpha in (0.01, 1.0, 100.0, 10_000.0)
    }
    rating = rate(CYCLE)
    figures["rock paper scissors, equilibrium"] = within(rating.nash, third, 1e-9)
    figures["rock paper scissors, Elo"] = within(rating.elo, [0.0] * 3, 1e-6)
    return figures


def ladder() -> dict[str, Figure]:
    alpha, num_members = 0.05, 50
    worth = jnp.array([0.0, 0.3, 0.5, 1.2])
    table = jnp.broadcast_to(worth[:, None], (4, 4))

    def log_fixation(contest):
        return fixation.log_fixation(fixation.fermi_advantage(contest, num_members, alpha))

    transition, share = alpha_rank(table, alpha, num_members)
    imitation, _ = fixation.rare_mutations(table, log_fixation)
    return {
        "ladder, shares": within(share, jax.nn.softmax((num_members - 1) * alpha * worth), 1e-12),
        "ladder, chain less that of imitation": within(jnp.abs(transition - imitation).max(), 0.0, 1e-12),
    }


def strong_selection() -> dict[str, Figure]:
    reward, sucker, temptation, punishment = DILEMMA
    dilemma = jnp.array([[reward, sucker], [temptation, punishment]])
    loser = np.pad(CYCLE, ((0, 1), (0, 1)))
    loser[3, :3], loser[:3, 3] = -1.0, 1.0
    share = alpha_rank(jnp.array(loser), 10.0)[1]
    return {
        "one round of the dilemma, share of defection": at_least(alpha_rank(dilemma, 10.0)[1][1], 1 - 1e-12),
        "rock paper scissors and a loser, share of the loser": at_most(share[3], 1e-12),
        "rock paper scissors and a loser, the others": within(share[:3], [1 / 3] * 3, 1e-12),
    }


BY_HAND = ((30.0, 0.0, 30.0), (50.0, 10.0, 14.0), (30.0, 9.0, 30.0))
"""What ALLC, ALLD and TFT get from each other in ten rounds of 3, 0, 5, 1."""


def memory_one_strategies() -> dict[str, Figure]:
    own = jnp.array(DILEMMA)
    game = memory_one.symmetric(own)
    named = {name: jnp.array(strategy) for name, strategy in memory_one.STRATEGIES.items()}
    named |= {"generous": memory_one.generous(own), "extortion": memory_one.extortion(own, 3.0, 0.5)}
    named |= {"random": jnp.full(5, 0.5)}
    members = jnp.stack(list(named.values()))
    table = payoff_table(members, lambda one, other: memory_one.value(game, one, other, 0.95)[0])
    rating = rate(table)
    return {
        "ten rounds of ALLC, ALLD, TFT": within(ten_rounds(DILEMMA), BY_HAND, 1e-9),
        "eight strategies, alpha-rank": as_found(rating.alpha_rank),
        "eight strategies, Nash average": as_found(rating.nash),
        "eight strategies, Elo": as_found(rating.elo),
        "eight strategies, greatest gain against the Nash average": within(rating.nash_margin.max(), 0.0, 1e-9),
    }
