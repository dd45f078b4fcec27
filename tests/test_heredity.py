"""What members feel for others, who is akin, and the sharing matrices that follow."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from softsim import heredity
from softsim.envs import make
from softsim.envs.params import Sharing
from softsim.envs.sharing import share
from softsim.heredity import GENES, STRANGERS, HeredityConfig
from softsim.types import UserError


def family(num_members: int, steps: list[list[int]]):
    """Births between members after selections with these parents."""
    births = heredity.strangers(num_members)
    for parent in steps:
        chosen = jnp.array(parent, jnp.int32)
        births = heredity.descend(births, chosen, chosen != jnp.arange(num_members))
    return np.asarray(births)


def walked(num_members: int, steps: list[list[int]]) -> np.ndarray:
    """The same, by walking up two lines of ancestors until they meet."""
    lines = []
    for member in range(num_members):
        line, now = [], member
        for parent in reversed(steps):
            line.append((now, parent[now] != now))
            now = parent[now]
        lines.append([*line, (now, False)])

    def between(a: int, b: int) -> int:
        count = 0
        for (one, one_born), (other, other_born) in zip(lines[a], lines[b], strict=True):
            if one == other:
                return count
            count += one_born + other_born
        return STRANGERS

    return np.array([[between(a, b) for b in range(num_members)] for a in range(num_members)])


def test_only_what_is_asked_for_is_in_the_genome():
    assert heredity.founders(HeredityConfig(), 3) == {"genes": {}, "births": ()}
    given = heredity.founders(HeredityConfig(care=0.25, heritable=("svo",)), 3)
    assert {name: gene.tolist() for name, gene in given["genes"].items()} == {"care": [0.25] * 3, "svo": [0.0] * 3}
    assert given["births"] == ()
    rows = heredity.founders(HeredityConfig(heritable=("regard",)), 3)["genes"]["regard"]
    assert rows.tolist() == [[0.0] * 3] * 3
    births = heredity.founders(HeredityConfig(kin_care=1.0), 2)["births"]
    assert births.tolist() == [[0, STRANGERS], [STRANGERS, 0]]


def test_births_in_a_family():
    """Member 0 has children 1 and 2, then 2 has child 3: child and parent 1, siblings 2, uncle and nephew 3."""
    births = family(5, [[0, 0, 0, 3, 4], [0, 1, 2, 2, 4]])
    assert births[0].tolist() == [0, 1, 1, 2, STRANGERS]
    assert births[1].tolist() == [1, 0, 2, 3, STRANGERS]
    assert births[3].tolist() == [2, 3, 1, 0, STRANGERS]
    related = heredity.relatedness(jnp.asarray(births), 0.5)
    assert related[1].tolist() == [0.5, 1.0, 0.25, 0.125, 0.0]


@pytest.mark.parametrize("seed", range(5))
def test_births_are_those_on_the_path_through_the_common_ancestor(seed):
    rng = np.random.default_rng(seed)
    steps = [np.where(rng.random(6) < 0.4, rng.integers(0, 6, 6), np.arange(6)).tolist() for _ in range(7)]
    births = family(6, steps)
    assert births.tolist() == walked(6, steps).tolist()
    assert (births == births.T).all()


def test_strangers_stay_strangers():
    """However long both lines grow, nothing overflows."""
    births = family(4, [[1, 1, 3, 3], [0, 0, 2, 2]] * 40)
    assert (births[:2, 2:] == STRANGERS).all()
    assert (births[:2, :2] < 100).all()


def test_migrants_keep_their_own_kin_and_are_strangers_to_the_rest():
    here, there = jnp.array([[0, 1, 2], [1, 0, 3], [2, 3, 0]]), jnp.array([[0, 7, 8], [7, 0, 9], [8, 9, 0]])
    was, stayed = jnp.array([2, 1, 0]), jnp.array([False, True, False])
    joined = heredity.join(here, there, was, stayed)
    assert joined.tolist() == [[0, STRANGERS, 8], [STRANGERS, 0, STRANGERS], [8, STRANGERS, 0]]


def test_mutation_is_a_normal_step_within_the_range():
    size, step = 4000, 0.1
    genes = {"care": jnp.full(size, 0.2), "svo": jnp.full(size, -0.3), "kin_care": jnp.full(size, 0.98)}
    mutants = jnp.arange(size) % 2 == 0
    after = heredity.mutate(jax.random.key(0), step, genes, mutants)
    for name, gene in genes.items():
        assert (after[name][1::2] == gene[1::2]).all()
        moved = np.asarray(after[name] - gene)[::2]
        if name != "kin_care":
            assert abs(moved.mean()) < 4.5 * step / np.sqrt(size / 2)
            assert abs(moved.std() - step) < 4.5 * step / np.sqrt(size)
    assert float(after["kin_care"].max()) == 1.0  # and no further
    assert np.abs(np.corrcoef(after["care"][::2], after["svo"][::2])[0, 1]) < 0.1  # each gene draws for itself


def test_a_mutant_may_have_a_new_tag_and_founders_have_one_each():
    """Of the mutants a tenth, by default, and drawn from all there could be; it makes nobody share."""
    config = HeredityConfig(heritable=("tag",))
    tags = heredity.founders(config, 4000)["genes"]["tag"]
    assert len(set(tags.tolist())) == 4000
    after = np.asarray(heredity.mutate(jax.random.key(0), config.step, {"tag": tags}, jnp.arange(4000) % 2 == 0)["tag"])
    new = after != tags
    assert not new[1::2].any()
    assert abs(new[::2].mean() - 0.1) < 4.5 * math.sqrt(0.09 / 2000)
    assert abs(after[new].mean() - 0.5) < 4.5 * math.sqrt(1 / 12 / new.sum())
    assert after.min() >= 0
    assert after.max() < 1
    assert config.genes == ()
    assert heredity.share(config, {"tag": tags[None]}, (), jnp.zeros((1, 1, 2), jnp.int32), "as it was") == "as it was"
    heredity.check(config, {"horizon": 3})


def test_every_weight_of_a_row_moves_by_itself():
    rows = jnp.full((200, 200), 0.2)
    mutants = jnp.arange(200) % 2 == 0
    after = np.asarray(heredity.mutate(jax.random.key(0), 0.1, {"regard": rows}, mutants)["regard"])
    assert (after[1::2] == rows[1::2]).all()
    moved = after[::2] - 0.2
    assert abs(moved.std() - 0.1) < 4.5 * 0.1 / np.sqrt(2 * moved.size)
    assert abs(moved.mean(0)).max() < 4.5 * 0.1 / np.sqrt(100)


def of_table(config: HeredityConfig, genes: dict, sitting: list[int], births=(), in_play=None):
    genes = {name: jnp.array(gene, jnp.float32) for name, gene in genes.items()}
    here = jnp.array([sitting], jnp.int32)
    play = jnp.ones(here.shape, bool) if in_play is None else jnp.array([in_play])
    return np.asarray(heredity.weights(config, genes, births, here, play)[0])


def test_sharing_matrix_of_each_gene():
    """Rows are those who feel; three sit there, and only the last has a gene that says anything."""
    config = HeredityConfig()
    assert (of_table(config, {}, [2, 0, 1]) == np.eye(3)).all()
    care = of_table(config, {"care": [0.0, 0.0, 0.5]}, [2, 0, 1])
    np.testing.assert_allclose(care, [[1, 0.5, 0.5], [0, 1, 0], [0, 0, 1]])
    svo = of_table(config, {"svo": [0.0, 0.0, math.pi / 4]}, [2, 0, 1])
    half = math.sqrt(0.5)
    np.testing.assert_allclose(svo, [[half, half / 2, half / 2], [0, 1, 0], [0, 0, 1]], atol=1e-6)
    two = of_table(config, {"svo": [0.0, 0.0, math.pi / 4]}, [2, 0, 1], in_play=[True, True, False])
    np.testing.assert_allclose(two[0, :2], [half, half], atol=1e-6)  # the mean over the others in play


def test_regard_is_for_whoever_has_that_number():
    """Oneself in another seat too; for who is no learner, and of it for others, there is none."""
    rows = jnp.float32([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [-0.7, -0.8, -0.9]])
    felt = of_table(HeredityConfig(), {"regard": rows, "care": [0.0, 0.25, 0.0]}, [2, 1, 1, 3])
    expected = [[1, -0.8, -0.8, 0], [0.85, 1, 0.75, 0.25], [0.85, 0.75, 1, 0.25], [0, 0, 0, 1]]
    np.testing.assert_allclose(felt, expected, rtol=1e-6)


def test_kin_care_goes_by_relatedness():
    """By fidelity ** births, 1 to oneself in another seat, and 0 to strangers and to those who do not learn."""
    births = jnp.asarray(family(4, [[0, 0, 0, 3]]))
    config = HeredityConfig(kin_care=1.0, fidelity=0.25)
    felt = of_table(config, {"kin_care": [1.0, 1.0, 0.5, 1.0]}, [0, 1, 2, 2, 3, 4], births)
    np.testing.assert_allclose(felt[0], [1, 0.25, 0.25, 0.25, 0, 0])
    np.testing.assert_allclose(felt[1], [0.25, 1, 1 / 16, 1 / 16, 0, 0])
    np.testing.assert_allclose(felt[2], [0.125, 1 / 32, 1, 0.5, 0, 0])
    np.testing.assert_allclose(felt[5], [0, 0, 0, 0, 0, 1])


@pytest.mark.parametrize("game", ["prisoners_dilemma", "coins"])
def test_genes_reach_the_sharing_of_every_environment(game):
    """Two populations of two tables each: W of table e of population n comes from who sits there."""
    _, situations = make((game,))
    params = jax.tree.map(lambda leaf: np.repeat(np.asarray(leaf), 4, 0), situations)
    config = HeredityConfig(care=0.1)
    genes = {"care": jnp.array([[0.0, 0.5, 1.0], [0.1, 0.2, 0.3]])}
    sitting = jnp.array([[[0, 1], [2, 0]], [[1, 2], [0, 3]]], jnp.int32)
    weights = heredity.share(config, genes, (), sitting, params).sharing.weights
    assert weights.shape == params.sharing.weights.shape
    np.testing.assert_allclose(weights[:, 0, 1], [0.0, 1.0, 0.2, 0.1])
    np.testing.assert_allclose(weights[:, 1, 0], [0.5, 0.0, 0.3, 0.0])
    assert (weights[:, [0, 1], [0, 1]] == 1.0).all()
    genes["regard"] = jax.random.normal(jax.random.key(0), (2, 3, 3))
    weights = np.asarray(heredity.share(config, genes, (), sitting, params).sharing.weights)
    for n, (one, here) in enumerate(zip(sitting, np.split(weights, 2), strict=True)):
        alone = {name: gene[n] for name, gene in genes.items()}
        play = jnp.ones(one.shape, bool)
        np.testing.assert_array_equal(here, heredity.weights(config, alone, (), one, play))


def test_hamiltons_rule_decides_what_a_gift_is_worth():
    """Of two siblings with relatedness r, a gift of b is worth r b - c to the giver, who is paid -c."""
    benefit, cost, related = 3.0, 1.0, 0.25
    births = jnp.asarray(family(3, [[0, 0, 0]]))
    weights = of_table(HeredityConfig(kin_care=1.0), {"kin_care": [1.0, 1.0, 1.0]}, [1, 2], births)
    nothing = jnp.zeros(2)
    sharing = Sharing(weights=jnp.asarray(weights), envy=nothing, guilt=nothing, memory=jnp.float32(0.0))
    reward, _ = share(sharing, jnp.array([-cost, benefit]), nothing, jnp.ones(2, bool))
    np.testing.assert_allclose(reward, [related * benefit - cost, benefit - related * cost])


def test_refusals():
    _, situations = make(("coins",))
    heredity.check(HeredityConfig(care=0.5), situations)
    heredity.check(HeredityConfig(), {"horizon": 3})
    with pytest.raises(UserError, match="no field `sharing`"):
        heredity.check(HeredityConfig(heritable=("svo",)), {"horizon": 3})
    wrong: tuple = ("height",)
    with pytest.raises(UserError, match="'height'; allowed are 'care' and 'kin_care' and 'regard' and 'svo' and 'tag'"):
        heredity.check(HeredityConfig(heritable=wrong), situations)
    assert all(low < 0 < high for low, high in GENES.values())
