"""What learners are made to want: rewards from the payoffs of everybody, by one matrix.

Agent i among n in play maximises `sum_j W_ij payoff_j`, with the same two weights for all:

    kind          on its own payoff    on that of each other
    individual    1                    0
    common        1 / n                1 / n
    kinship       1                    relatedness
    svo           cos(angle)           sin(angle) / (n - 1)
    exchange      s                    (1 - s) / (n - 1)
    inequity      1                    0, and envy and guilt as in `envs.sharing.share`

`kinship` is inclusive fitness (Hamilton 1964, J. Theor. Biol. 7:1), `svo` the ring of social value orientation
(Griesinger and Livingston 1973, Behavioral Science 18:173), `exchange` the self-interest level s of Willis et al. 2023
(arXiv 2310.12928), `inequity` Hughes et al. 2018 (arXiv 1803.08884). With two agents and gifts of b at a cost of c,
giving pays from relatedness c / b, tan(angle) c / b, and s = b / (b + c) on.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import jax
import jax.numpy as jnp

from softsim.types import Array, PyTree, UserError


@dataclasses.dataclass(frozen=True)
class RewardConfig:
    """How payoffs become rewards; a number counts for the kind that it names."""

    kind: Literal["given", "individual", "common", "kinship", "svo", "exchange", "inequity"] = "given"  # by the game
    relatedness: float = 0.5  # kinship
    angle: float = 45.0  # svo: degrees; 0 is selfish, 90 altruistic, -45 competitive
    self_interest: float = 1.0  # exchange: share of its own payoff that an agent keeps, in the first round
    final_self_interest: float = 1.0  # exchange: and at the end of the schedule
    rounds: int = 0  # exchange: rounds that the first takes to become the final one, linearly; 0 is for ever
    envy: float = 5.0  # inequity: weight of others having more
    guilt: float = 0.05  # inequity: weight of having more than others
    memory: float = 0.965  # inequity: decay of the payoffs that are compared, 0.99 * 0.975 in the paper


def weights(config: RewardConfig, done: Array, in_play: Array) -> Array:
    """Build the matrix W of one environment, [A, A] float32; row i is what agent i makes of everyone's payoff.

    Args:
        config: of any kind but "given".
        done: [] int32   rounds done.
        in_play: [A] bool   agents among whom rewards are shared.
    """
    count = jnp.maximum(in_play.sum(dtype=jnp.int32), 1).astype(jnp.float32)
    others = jnp.maximum(count - 1.0, 1.0)
    keeps, angle = kept(config, done), math.radians(config.angle)
    own, each = {
        "individual": lambda: (1.0, 0.0),
        "inequity": lambda: (1.0, 0.0),
        "common": lambda: (1.0 / count, 1.0 / count),
        "kinship": lambda: (1.0, config.relatedness),
        "svo": lambda: (math.cos(angle), math.sin(angle) / others),
        "exchange": lambda: (keeps, (1.0 - keeps) / others),
    }[config.kind]()
    return jnp.where(jnp.eye(in_play.shape[0], dtype=bool), jnp.float32(own), jnp.float32(each))


def kept(config: RewardConfig, done: Array) -> Array:
    """Self-interest after so many rounds, [] float32."""
    change = config.final_self_interest - config.self_interest
    if config.rounds == 0:
        return jnp.float32(config.self_interest)
    return config.self_interest + change * jnp.minimum(done.astype(jnp.float32) / config.rounds, 1.0)


def apply(config: RewardConfig, done: Array | int, params: PyTree) -> PyTree:
    """Put the rewards of the round after `done` others in place of the situations' own; params have leaves [B, ...]."""
    if config.kind == "given":
        return params
    size, num_agents = params.sharing.weights.shape[:2]
    in_play = getattr(params, "agent_mask", jnp.ones((size, num_agents), bool))
    matrix = jax.vmap(lambda in_play: weights(config, jnp.asarray(done), in_play))(in_play)
    felt = (config.envy, config.guilt, config.memory) if config.kind == "inequity" else (0.0, 0.0, 0.0)
    old = params.sharing
    envy, guilt, memory = (
        jnp.full_like(leaf, value) for leaf, value in zip((old.envy, old.guilt, old.memory), felt, strict=True)
    )
    return dataclasses.replace(params, sharing=type(old)(matrix, envy, guilt, memory))


def check(config: RewardConfig, situations: PyTree, genes: tuple[str, ...]) -> None:
    """Refuse rewards that nothing could make.

    Args:
        genes: of members, who share by them (`heredity`).

    Raises:
        UserError: the schedule has no rounds, these situations have no sharing matrix, or members have their own.
    """
    if config.rounds == 0 and config.final_self_interest != RewardConfig().final_self_interest:
        raise UserError(
            f"reward.final_self_interest: {config.final_self_interest}; the schedule that leads there needs "
            f"reward.rounds of at least 1."
        )
    if config.kind == "given":
        return
    if not hasattr(situations, "sharing"):
        raise UserError(
            f"reward.kind: {config.kind!r}, and this world's situations have no field `sharing` that could be set by "
            f"it; it must be 'given'."
        )
    if genes:
        raise UserError(
            f"reward.kind: {config.kind!r}, and members share by their own {' and '.join(genes)}; with genes it must "
            f"be 'given'."
        )
