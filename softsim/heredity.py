"""Heritable sociality: what members feel for others, who is whose kin, and the sharing matrices that follow.

Of member i at a table for A, with relatedness r_ij to whoever sits beside it, the sharing matrix of `envs.sharing` is

    W_ii = cos(svo_i)        W_ij = sin(svo_i) / (A - 1) + care_i + regard_ij + kin_care_i r_ij

so `svo` is the angle of social value orientation (Griesinger and Livingston 1973, Behavioral Science 18:173; McKee et
al. 2020, arXiv 2002.02325), `care` a weight on everybody else, and `kin_care` 1 is Hamilton's rule (1964, J. Theor.
Biol. 7:1). `regard` is a row of weights, one for each number of a member: what i feels for whoever has number j in its
population, itself in another seat included. With all of them 0 everybody is selfish.

Relatedness comes from lineage. Members are copies of one parent each, so between two of them runs one path through
their latest common ancestor, with a number of births on it: 1 from child to parent, 2 between siblings, however many
selections both have outlived. Then `r = fidelity ** births`. With fidelity 1/2 that is Wright's coefficient (1922, Am.
Nat. 56:330) of a pedigree that knows one parent; with 1 - u it is the probability of identity by descent in haploids
with mutation probability u (Malecot 1948). Founders are strangers.

A gene of another kind is `tag`, a number from 0 to 1 by which matchmaking may bring together those who have the same.
It says nothing of what one feels, so that who cares, and is found by others who do, may carry it as a green beard, and
so may who does not. As in Riolo, Cohen and Axelrod 2001 (Nature 414:441), whose tolerance is 0 here, it does not change
little by little: a mutant has a new one, with probability `step`. Founders have one each.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Literal

import jax
import jax.numpy as jnp

from softsim.types import Array, PyTree, UserError

GENES: dict[str, tuple[float, float]] = {
    "care": (-1.0, 1.0),
    "kin_care": (-1.0, 1.0),
    "regard": (-1.0, 1.0),
    "svo": (-math.pi / 2, math.pi / 2),
}
"""Genes by which one shares, and their ranges."""

STRANGERS = 2**30
"""Births between two who have no common ancestor."""


@dataclasses.dataclass(frozen=True)
class HeredityConfig:
    """What founders feel, and what of it mutates when they are copied.

    Selection should go by payoff then (`selection.fitness`): reward is what is felt, so that whoever cares for those
    who do well is fitter for that alone.
    """

    care: float = 0.0  # weight on the payoff of everybody else at the table
    kin_care: float = 0.0  # on that of kin, times relatedness
    regard: float = 0.0  # on that of each member of the population, by its number
    svo: float = 0.0  # angle in radians: cosine is the weight on oneself, sine that on the mean of the others
    heritable: tuple[Literal["care", "kin_care", "regard", "svo", "tag"], ...] = ()  # these mutate
    step: float = 0.1  # standard deviation of a mutation; of a tag, its probability
    fidelity: float = 0.5  # relatedness of parent and child

    @property
    def genes(self) -> tuple[str, ...]:
        """The genes by which members share: none where everybody is selfish for ever."""
        return tuple(name for name in GENES if getattr(self, name) or name in self.heritable)


def founders(config: HeredityConfig, num_members: int) -> dict[str, PyTree]:
    """`genes` of the first members, [P] float32 each but `regard` [P, P], and `births` between them, [P, P] int32, if
    anybody cares for kin."""
    shape = {"regard": (num_members, num_members)}
    genes = {name: jnp.full(shape.get(name, num_members), getattr(config, name), jnp.float32) for name in config.genes}
    if "tag" in config.heritable:
        genes["tag"] = jnp.arange(num_members) / num_members
    return {"genes": genes, "births": strangers(num_members) if "kin_care" in genes else ()}


def strangers(num_members: int) -> Array:
    """Births between founders, [P, P] int32."""
    return jnp.where(jnp.eye(num_members, dtype=bool), 0, STRANGERS).astype(jnp.int32)


def descend(births: Array, parent: Array, born: Array) -> Array:
    """Births between members after a selection: `parent` is [P] int32, `born` [P] bool says who is new."""
    added = (born[:, None].astype(jnp.int32) + born[None]) * ~jnp.eye(parent.shape[0], dtype=bool)
    return jnp.minimum(births[parent][:, parent] + added, STRANGERS)


def join(births: Array, elsewhere: Array, was: Array, stayed: Array) -> Array:
    """Births between members after a migration, [P, P] int32.

    Args:
        births, elsewhere: [P, P] int32, before it, here and where the others come from.
        was: [P] int32 the place that each had there; stayed: [P] bool.
    """
    together = jnp.where(stayed[:, None], births[was][:, was], elsewhere[was][:, was])
    return jnp.where(stayed[:, None] == stayed[None], together, STRANGERS)


def relatedness(births: Array, fidelity: Array | float) -> Array:
    """`fidelity ** births`, float32; 0 between strangers."""
    related = jnp.float32(fidelity) ** births.astype(jnp.float32)
    return jnp.where(births < STRANGERS, related, 0.0)


def mutate(
    key: Array,
    step: Array | float,
    genes: dict[str, Array],
    mutants: Array,
    ranges: Mapping[str, tuple[float, float]] = GENES,
) -> dict[str, Array]:
    """Move the genes of the mutants, [P] bool, by a normal step each, and no further than their ranges; or draw a tag.

    Args:
        step: standard deviation, one for all genes, and the probability of a new tag. genes: [P, ...] each.
    """
    changed = {}
    for number, (name, gene) in enumerate(genes.items()):
        key_gene = jax.random.fold_in(key, number)
        if name == "tag":
            chance, new = jax.random.uniform(key_gene, (2, *gene.shape))
            moved = jnp.where(chance < step, new, gene)
        else:
            moved = jnp.clip(gene + step * jax.random.normal(key_gene, gene.shape), *ranges[name])
        changed[name] = jax.vmap(jnp.where)(mutants, moved, gene)
    return changed


def weights(config: HeredityConfig, genes: dict[str, Array], births: PyTree, sitting: Array, in_play: Array) -> Array:
    """Sharing matrices of all tables of one population, [E, A, A] float32.

    Args:
        genes: [P] each, and `regard` [P, P]. births: [P, P] int32, if anybody cares for kin.
        sitting: [E, A] int32 members; whoever is no learner, P or above, is selfish and nobody's kin.
        in_play: [E, A] bool, the agents among whom the angle divides.
    """

    def felt(name: str) -> Array:
        if name not in genes:
            return jnp.zeros(sitting.shape, jnp.float32)
        return genes[name].at[sitting].get(mode="fill", fill_value=0.0)

    def between(table: Array) -> Array:
        return table.at[sitting[:, :, None], sitting[:, None]].get(mode="fill", fill_value=0.0)

    others = jnp.maximum(in_play.sum(1, dtype=jnp.int32) - 1, 1).astype(jnp.float32)
    toward = (jnp.sin(felt("svo")) / others[:, None] + felt("care"))[:, :, None]
    if "regard" in genes:
        toward = toward + between(genes["regard"])
    if "kin_care" in genes:
        related = relatedness(births, config.fidelity)
        toward = toward + felt("kin_care")[:, :, None] * between(related)
    itself = jnp.eye(sitting.shape[1], dtype=bool)[None]
    return jnp.where(itself, jnp.cos(felt("svo"))[:, :, None], toward)


def share(config: HeredityConfig, genes: dict[str, Array], births: PyTree, sitting: Array, params: PyTree) -> PyTree:
    """Put what those who sit there feel in place of the sharing matrices of all environments.

    Args:
        genes: [N, P, ...] each; births: [N, P, P]; sitting: [N, E, A] int32; params: leaves [N * E, ...].
    """
    if not config.genes:
        return params
    in_play = getattr(params, "agent_mask", jnp.ones((sitting.shape[0] * sitting.shape[1], sitting.shape[2]), bool))
    felt = jax.vmap(functools.partial(weights, config))(genes, births, sitting, in_play.reshape(sitting.shape))
    sharing = dataclasses.replace(params.sharing, weights=jax.lax.collapse(felt, 0, 2))
    return dataclasses.replace(params, sharing=sharing)


def check(config: HeredityConfig, situations: PyTree) -> None:
    """Refuse genes for sharing in a world where nothing is shared.

    Raises:
        UserError: these situations have no sharing matrix, or a gene is unknown.
    """
    known = (*GENES, "tag")
    unknown = sorted(set(config.heritable) - set(known))
    if unknown:
        raise UserError(f"heredity.heritable: {unknown[0]!r}; allowed are {' and '.join(map(repr, known))}.")
    if config.genes and not hasattr(situations, "sharing"):
        raise UserError(
            f"heredity: members have {' and '.join(config.genes)}, and this world's situations have no field "
            f"`sharing` that could be set by it; worlds made by `softsim.make` have one."
        )
