"""Selection in training: rules, neighbourhoods, migration, what is told of it, and the pictures."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from resuming import resume

from softsim import (
    NetworkConfig,
    PPOConfig,
    SelectionConfig,
    TrainConfig,
    UserError,
    bench,
    bench_evolve,
    heredity,
    pedigree,
    run,
    selection,
)
from softsim.heredity import STRANGERS, HeredityConfig
from softsim.learners.ppo import Hyper
from softsim.matchmaking import MatchmakingConfig
from softsim.population import Lineage, Population
from softsim.presets import RunConfig
from softsim.train_config import idle

compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
FIELDS = [field.name for field in dataclasses.fields(Hyper)]


NATURE = HeredityConfig(regard=0.5, heritable=("care", "kin_care", "regard"))


def people(fitness, config: HeredityConfig = NATURE) -> Population:
    """Populations [N, P] whose every number says whose it is."""
    fitness = jnp.asarray(fitness, jnp.float32)
    count, size = fitness.shape
    name = jnp.arange(count * size, dtype=jnp.int32).reshape(count, size)
    itself = jnp.broadcast_to(jnp.arange(size, dtype=jnp.int32), (count, size))
    nature = heredity.founders(config, size)
    return Population(
        mind={"w": name[..., None] * jnp.ones((1, 1, 2))},
        learner=(name * 10,),
        hyper=Hyper(**dict.fromkeys(FIELDS, name / 100.0)),
        fitness=fitness,
        lineage=Lineage(itself, itself, jnp.zeros_like(itself)),
        **jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), nature),
    )


@functools.cache
def program_of(config: SelectionConfig):
    return compiled(functools.partial(selection.evolve, config, 0.1))


def evolve(config: SelectionConfig, fitness, generation=1, seed=0, crowd=None) -> Population:
    """One selection by fitness alone: what is measured is what counts."""
    config = dataclasses.replace(config, memory=0.0)
    crowd = people(fitness) if crowd is None else crowd
    keys = jax.random.split(jax.random.key(seed), len(fitness))
    return program_of(config)(keys, crowd, jnp.asarray(fitness, jnp.float32), jnp.int32(generation))[0]


def parents(rule: str, fitness: list[float], **given) -> list[int]:
    config = SelectionConfig(every=1, rule=rule, **given)  # ty: ignore[invalid-argument-type]
    near = selection.neighbourhoods(config, len(fitness))
    choose = compiled(selection.rule_of(config))
    return choose(jax.random.key(0), jnp.array(fitness, jnp.float32), near).tolist()


def test_generations_by_every_rule_and_neighbourhood():
    """What cannot be otherwise, whatever chance says: the rules themselves are tested in `learners`."""
    rising, falling = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    assert parents("truncation", rising, fraction=0.34) == [5, 4, 2, 3, 4, 5]
    assert parents("truncation", rising, structure="islands", islands=2, fraction=0.34) == [2, 1, 2, 5, 4, 5]
    assert parents("imitate_best", rising) == [5, 5, 5, 5, 5, 5]
    assert parents("imitate_best", rising, structure="cycle") == [5, 2, 3, 4, 5, 5]
    assert parents("imitate_best", falling, structure="star") == [0] * 6
    torus = parents("imitate_best", [float(m) for m in range(9)], structure="torus")
    assert torus == [6, 7, 8, 6, 7, 8, 8, 8, 8]
    assert parents("tournament", rising, contestants=6)[5] == 5
    assert parents("fermi", rising, intensity=1e6)[5] == 5


def test_rates_of_reproduction_may_come_from_losses():
    """Payoffs below 0 order members too: at high intensity the one that loses least has all children."""
    losses = [-9.0, -5.0, -7.0, np.nan, -6.0, -8.0]
    assert parents("proportional", losses, intensity=50.0) == [1] * 6
    for rule in ("moran_birth_death", "moran_death_birth"):
        heirs = parents(rule, losses, intensity=50.0)
        assert {parent for member, parent in enumerate(heirs) if parent != member} <= {1, 4}  # 4 where 1 is dead


def test_copies_are_copied_whole_and_perturbed():
    config = SelectionConfig(every=2, fraction=0.5, mutation=0.25)
    before = people([[1.0, 2.0, 3.0, 4.0]])
    after = evolve(config, [[1.0, 2.0, 3.0, 4.0]], generation=4, crowd=before)
    parent = after.lineage.parent[0]
    assert parent.tolist() == [3, 2, 2, 3]
    assert (after.mind["w"][0] == before.mind["w"][0, parent]).all()
    assert (after.learner[0][0] == before.learner[0][0, parent]).all()
    ratio = np.asarray(after.hyper.learning_rate[0] / before.hyper.learning_rate[0, parent])
    assert np.isclose(ratio[:2, None], [1.25, 0.8], rtol=1e-5).any(1).all()
    assert (ratio[2:] == 1.0).all()
    assert (np.asarray(after.genes["care"][0]) != 0).tolist() == [True, True, False, False]
    regard = np.asarray(after.genes["regard"][0])
    assert (regard[2:] == 0.5).all()
    assert (regard[:2] != 0.5).all()
    assert abs(regard[:2] - 0.5).max() < 0.6  # steps of 0.1
    assert after.births[0].tolist() == [
        [0, STRANGERS, STRANGERS, 1],
        [STRANGERS, 0, 1, STRANGERS],
        [STRANGERS, 1, 0, STRANGERS],
        [1, STRANGERS, STRANGERS, 0],
    ]
    assert after.lineage.born[0].tolist() == [4, 4, 0, 0]
    later = evolve(config, [[1.0, 2.0, 3.0, 4.0]], generation=5, crowd=after)
    assert later.lineage.parent.tolist() == [[0, 1, 2, 3]]
    assert (later.births == after.births).all()


def test_migrants_take_everything_along():
    config = SelectionConfig(migrate_every=3, migrants=2)
    before = selection.name_founders(config, 5, people([[0.0] * 3, [1.0] * 3, [2.0] * 3]))
    assert before.lineage.founder.tolist() == [[0, 1, 2], [5, 6, 7], [10, 11, 12]]
    before = dataclasses.replace(before, births=before.births.at[:, 0, 1].set(4).at[:, 1, 0].set(4))
    keys = jax.random.split(jax.random.key(0), 3)
    migrate = compiled(functools.partial(selection.migrate, config))
    stayed, moved = migrate(keys, before, jnp.int32(4))
    assert (moved["home"] == jnp.arange(3)[:, None]).all()
    assert (stayed.mind["w"] == before.mind["w"]).all()
    after, moved = migrate(keys, before, jnp.int32(6))
    home, was = np.asarray(moved["home"]), np.asarray(after.lineage.parent)
    assert ((home == np.arange(3)[:, None]).sum(1) == 1).all()  # one of three stays in each
    assert sorted(after.mind["w"][..., 0].reshape(-1).tolist()) == list(range(9))
    assert (np.asarray(after.mind["w"])[..., 0] == home * 3 + was).all()
    assert (np.asarray(after.lineage.founder) == home * 5 + was).all()
    births = np.asarray(before.births)
    for n in range(3):
        for a in range(3):
            for b in range(3):
                known = births[home[n, a], was[n, a], was[n, b]] if home[n, a] == home[n, b] else STRANGERS
                assert after.births[n, a, b] == known


@pytest.mark.parametrize(
    ("given", "members", "said"),
    [
        ({"structure": "torus"}, 7, "no torus has 7 members"),
        ({"structure": "star"}, 1, "num_members: 1; it must be at least 2 in a star"),
        ({"structure": "cycle"}, 2, "num_members: 2"),
        ({"structure": "islands", "islands": 3}, 4, "selection.islands: 3 do not divide 4 members into groups of two"),
        ({"structure": "islands", "islands": 4}, 4, "selection.islands: 4 do not divide 4 members into groups of two"),
        ({"fraction": 0.2}, 4, "selection.fraction: 0.2, which of 4 neighbours, oneself included, is nobody; .* 1/4"),
        ({"structure": "cycle"}, 20, "selection.fraction: 0.25, which of 3 neighbours"),
        ({"every": 0, "rule": "fermi"}, 4, "selection.rule: 'fermi' with selection.every 0, which is no selection"),
        ({"every": 0, "diversity": "novelty"}, 4, "selection.diversity: 'novelty' with selection.every 0"),
        (
            {"diversity": "elites", "migrate_every": 2},
            4,
            "selection.migrate_every: 2 with selection.diversity 'elites'",
        ),
        ({"rule": "tournament", "contestants": 5}, 4, "selection.contestants: 5, and a population has 4 members"),
        ({"migrate_every": 1, "migrants": 5}, 4, "selection.migrants: 5, and a population has 4 members"),
    ],
)
def test_refusals(given, members, said):
    with pytest.raises(UserError, match=said) as error:
        selection.check(SelectionConfig(**{"every": 1} | given), members, 2)
    assert "\n" not in str(error.value)


def test_a_single_population_has_no_migrants():
    with pytest.raises(UserError, match=r"selection.migrate_every: 3, and there is one population"):
        selection.check(SelectionConfig(migrate_every=3), 4, 1)


def test_a_third_of_three_is_one():
    selection.check(SelectionConfig(every=1, fraction=1 / 3), 3, 1)


def test_hyperparameters_that_a_learner_never_uses():
    assert set(idle(TrainConfig())) == {"epsilon", "epsilon_decay", "shaping_weight"}
    model = dataclasses.replace(NetworkConfig().opponent, model="none", condition=False)
    config = TrainConfig(network=NetworkConfig(opponent=model), ppo=PPOConfig(shaping="advantage_alignment"))
    assert set(idle(config)) == {"epsilon", "epsilon_decay", "opponent_weight"}
    assert set(FIELDS) - set(idle(TrainConfig(learner="q"))) == {
        *("learning_rate", "gamma", "gae_lambda", "epsilon", "epsilon_decay")
    }


def test_a_single_member_needs_no_contestants():
    selection.check(SelectionConfig(), 1, 1)
    selection.check(SelectionConfig(every=1), 1, 1)


PARENT = np.array([[[0, 1, 2], [0, 1, 2]], [[0, 0, 2], [0, 1, 2]], [[0, 1, 2], [0, 1, 2]], [[0, 2, 2], [1, 1, 2]]])


def test_descent_is_traced_to_founders():
    tree = pedigree.trace(PARENT)
    assert tree.founder[:, 0].tolist() == [[0, 1, 2], [0, 1, 2], [0, 0, 2], [0, 0, 2], [0, 2, 2]]
    assert tree.founder[-1, 1].tolist() == [4, 4, 5]
    adopted = PARENT.copy()
    adopted[2, :, 1] = -1 - 2  # from archives, whose elites descend from the last founders
    tree = pedigree.trace(adopted)
    assert tree.founder[-1].tolist() == [[0, 2, 2], [5, 5, 5]]
    assert [row.native.tolist() for row in pedigree.generations(tree, 0)] == [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    home = np.broadcast_to(np.arange(2)[:, None], PARENT.shape).copy()
    home[3, 0, 0] = 1
    assert pedigree.trace(PARENT, home).founder[-1, 0].tolist() == [3, 2, 2]


def test_family_tree_is_laid_out_without_crossings():
    rows = pedigree.generations(pedigree.trace(PARENT), 0)
    assert [row.round for row in rows] == [2, 4]
    assert rows[0].lives.tolist() == [True, False, True]  # the first one's second child has no descendants
    assert rows[1].lives.all()
    for row in rows:
        order = np.argsort(row.place)
        assert (np.diff(row.start[order]) >= 0).all()
        assert sorted(row.place) == [0, 1, 2]
    assert rows[1].start.tolist() == [rows[0].place[p] for p in (0, 2, 2)]


def test_probes_are_percepts_of_the_same_population():
    config = SelectionConfig(diversity="novelty", probes=5)
    percept = {"seen": jnp.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6)}
    keys = jax.random.split(jax.random.key(0))
    probes = np.asarray(selection.draw_probes(config, keys, percept)["seen"])
    assert probes.shape == (2, 5)
    assert (probes // 72 == np.arange(2)[:, None]).all()
    assert selection.draw_probes(SelectionConfig(), keys, percept) == ()


def test_those_who_behave_alike_share_their_fitness():
    """Two that are the same are worth half of what one alone is; the novel one wins whatever its fitness."""
    distance = jnp.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    near = selection.neighbourhoods(SelectionConfig(), 3)
    cases = [("sharing", [0.0, 9.0, 5.0], 2), ("sharing", [0.0, 11.0, 5.0], 1), ("novelty", [9.0, 8.0, -5.0], 2)]
    for diversity, fitness, best in cases:
        config = SelectionConfig(rule="imitate_best", diversity=diversity, nearest=1)
        choose = selection.for_diversity(config, selection.rule_of(config), distance)
        assert compiled(choose)(jax.random.key(0), jnp.array(fitness), near).tolist() == [best] * 3


ELITES = SelectionConfig(every=2, fraction=0.5, memory=0.0, mutation=0.0, diversity="elites", cells=4, actions=(1,))


def ask(minds) -> jax.Array:
    """Answers [N, P, 2, 2] of members that take action 1 with chance w / 8, whatever they are shown."""
    chance = minds["w"][..., :1] / 8
    return jnp.broadcast_to(jnp.stack([1 - chance, chance], -1), (*chance.shape[:2], 2, 2))


@functools.cache
def with_archives():
    return compiled(functools.partial(selection.evolve, ELITES, 0.1, ask=ask))


def test_parents_come_from_the_archive_of_all_who_were_the_fittest_of_their_kind():
    """Four cells of chance, two founders at each end: who is dead can be a parent, and children know no kin."""
    crowd = people([[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]])  # w / 8 is 0 to 3/8, and 4/8 to 7/8
    keys = jax.random.split(jax.random.key(0), 2)
    archive = selection.found(ELITES, crowd)
    assert archive.fitness.shape == (2, 16)
    _, archive = with_archives()(keys, crowd, crowd.fitness, jnp.int32(1), archive=archive)
    filled = np.flatnonzero(~np.isnan(archive.fitness[0]))
    assert filled.tolist() == [0, 4]  # of chances below 1/4 and 1/2; nothing depends on probes
    assert archive.fitness[0, filled].tolist() == [2.0, 4.0]
    assert archive.elite.mind["w"][0, filled, 0].tolist() == [1.0, 3.0]
    heirs = jax.tree.map(lambda leaf: leaf[:, jnp.array([0, 0, 0, 0])], dataclasses.replace(crowd, births=()))
    crowd = dataclasses.replace(heirs, births=crowd.births * 0, lineage=crowd.lineage)
    keys = jax.random.split(jax.random.key(1), 2)
    after, _ = with_archives()(keys, crowd, jnp.zeros((2, 4)), jnp.int32(2), archive=archive)
    fresh = np.asarray(after.lineage.born == 2)
    assert (fresh.sum(1) == 2).all()
    names = np.asarray(after.mind["w"])[..., 0].astype(int)
    assert set(names[0][fresh[0]]) <= {1, 3}
    assert set(names[1][fresh[1]]) <= {4, 6}
    assert (names[~fresh] == np.repeat([0, 4], 2)).all()
    assert (np.asarray(after.lineage.founder)[fresh] == names[fresh] % 4).all()
    assert after.lineage.parent.tolist() == [[0, 1, 2, 3]] * 2
    assert (
        np.asarray(after.births)[fresh] == np.where(np.eye(4, dtype=bool)[None], 0, STRANGERS)[[0, 0], :][fresh]
    ).all()
    told = selection.tell(ELITES, after, archive, jnp.int32(2))
    assert (np.asarray(told["parent"])[fresh] == -1 - names[fresh] % 4).all()
    assert (np.asarray(told["parent"])[~fresh] >= 0).all()
    assert told["archived"].tolist() == [[2 / 16], [2 / 16]]


@pytest.mark.slow
def test_an_archive_knows_one_population():
    """Two populations side by side are what each is alone."""
    crowd, data = (
        people([[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]),
        jax.random.key_data(jax.random.split(jax.random.key(0), 2)),
    )

    def both(rows):
        one = jax.tree.map(lambda leaf: leaf[rows], crowd)
        key = jax.random.wrap_key_data(data[rows])
        return with_archives()(key, one, one.fitness, jnp.int32(2), archive=selection.found(ELITES, one))

    together, alone = both(slice(0, 2)), [both(slice(n, n + 1)) for n in range(2)]
    for leaf, *rows in zip(*map(jax.tree.leaves, (together, *alone)), strict=True):
        np.testing.assert_array_equal(leaf, np.concatenate(rows))


def test_while_the_archive_is_empty_the_rule_names_parents():
    crowd = people([[1.0, 2.0, 3.0, 4.0]])
    unknown = lambda minds: jnp.full((1, 4, 2, 2), jnp.nan)  # noqa: E731
    evolve = compiled(functools.partial(selection.evolve, ELITES, 0.1, ask=unknown))
    after, _ = evolve(
        jax.random.key(0)[None], crowd, crowd.fitness, jnp.int32(2), archive=selection.found(ELITES, crowd)
    )
    assert after.lineage.parent.tolist() == [[3, 2, 2, 3]]
    assert after.mind["w"][0, :, 0].tolist() == [3.0, 2.0, 2.0, 3.0]


def config_of_run(**selected) -> RunConfig:
    train = TrainConfig(
        num_populations=2,
        num_members=3,
        num_envs=3,
        num_steps=4,
        num_rounds=6,
        rounds_per_chunk=3,
        network=NetworkConfig(hidden=8, memory=8, recurrence="none"),
        ppo=PPOConfig(num_epochs=1, num_minibatches=1),
        selection=SelectionConfig(every=2, fitness="payoff", **selected),
        heredity=HeredityConfig(kin_care=0.5, heritable=("care", "kin_care")),
    )
    return RunConfig(("prisoners_dilemma",), horizon=4, train=train)


@pytest.mark.slow
def test_a_run_leaves_its_pictures_and_histories(tmp_path):
    """Relatives are selfish no more, and what is inherited is told of every round."""
    config = config_of_run(fraction=0.34, migrate_every=3)
    summary = run.train(tmp_path / "run", config)
    for name in ("family_tree", "inheritance", "picture"):
        assert (tmp_path / "run" / f"{name.replace('picture', 'learning_curve')}.png").stat().st_size > 1000
        assert str(tmp_path) in summary[name]
    history = run.MetricsLog(tmp_path / "run").history()
    assert history["parent"].shape == history["home"].shape == history["gene_care"].shape == (6, 2, 3)
    assert (history["hyper_learning_rate"][1] != history["hyper_learning_rate"][0]).sum() == 2
    assert ((history["parent"] != np.arange(3)).any((1, 2)) == [0, 1, 1, 1, 0, 1]).all()
    assert (history["gene_kin_care"][0] == 0.5).all()
    for name in FIELDS:  # what this learner never uses stays as it was
        still = name in ("epsilon", "epsilon_decay", "shaping_weight")
        assert (np.ptp(history[f"hyper_{name}"]) == 0) == still
    founder = pedigree.trace(history["parent"], history["home"]).founder
    assert founder.shape == (7, 2, 3)


@pytest.mark.slow
def test_relatives_share():
    """Before anybody is born only who meets itself, in both of its seats or in none, meets kin, whom it owes half."""
    program = config_of_run(fraction=0.34).program()
    state = compiled(program.init)()
    _, metrics = compiled(program.chunk)(state, program.situations)
    ratio = np.asarray(metrics["return"]) / np.asarray(metrics["payoff"])
    alone_or_double = np.isclose(ratio, 1.0) | np.isclose(ratio, 1.5)
    assert alone_or_double.all((1, 2)).tolist() == [True, True, False]  # copies are made after the second round
    assert np.isclose(ratio[:2], 1.0).any()


@pytest.mark.slow
def test_archives_and_unusual_genes_go_on_where_they_stopped(tmp_path):
    """And what a population's archive holds does not depend on who runs beside it."""
    config = config_of_run(diversity="elites", cells=3, fraction=0.34)
    nature = HeredityConfig(kin_care=0.5, heritable=("kin_care", "regard", "tag"), step=0.5)
    meeting = MatchmakingConfig("assortative", kin="tag")
    train = dataclasses.replace(config.train, heredity=nature, matchmaking=meeting)
    program = dataclasses.replace(config, train=train).program()
    first, last, metrics = resume(program, tmp_path)
    assert np.isnan(first.archive.fitness).all()
    assert (np.diff(np.asarray(metrics["archived"])[..., 0], axis=0) >= 0).all()
    known = ~np.isnan(np.asarray(last.archive.fitness))
    assert known.any(1).all()
    np.testing.assert_allclose(known.mean(1), metrics["archived"][-1, :, 0])
    assert (np.asarray(metrics["parent"]) < 0).any()
    assert last.population.genes["regard"].shape == (2, 3, 3)
    assert (last.population.genes["regard"] != 0).any()
    assert (last.population.genes["tag"] != first.population.genes["tag"]).any()
    assert (np.asarray(metrics["return"]) != np.asarray(metrics["payoff"])).any()


@pytest.mark.slow
def test_behaviour_decides_in_training():
    """After the same play others are copied than by fitness alone, one in each population."""

    def parents(**selected):
        config = config_of_run(fraction=0.34, **selected)
        program = dataclasses.replace(config, train=dataclasses.replace(config.train, num_populations=16)).program()
        _, metrics = compiled(program.chunk)(compiled(program.init)(), program.situations)
        return np.asarray(metrics["parent"][1])

    by_fitness = parents()
    for selected in ({"diversity": "sharing", "radius": 2e-3}, {"diversity": "novelty", "nearest": 1}):
        found = parents(**selected)
        for parent in (found, by_fitness):
            assert ((parent != np.arange(3)).sum(1) == 1).all()
        assert (found != by_fitness).any()


@pytest.mark.slow
def test_speed_is_told_of_generations_and_of_selection():
    (row,) = bench_evolve.bench_evolve((2,), num_members=2, repeats=2)
    assert (row["num_populations"], row["members"], row["rule"]) == (2, 4, "truncation")
    for name in ("generations_per_s", "selections_per_s"):
        assert 0 < row[f"{name}_min"] <= row[name] <= row[f"{name}_max"]
    assert row["selection_share"] == pytest.approx(row["generations_per_s"] / row["selections_per_s"])
    assert "selection" in bench.table([row], bench_evolve.COLUMNS)
    with pytest.raises(UserError, match="populations: none given"):
        bench_evolve.bench_evolve(())


ON_DEVICES = """
import dataclasses, json, re
import jax, numpy as np
from test_evolving import config_of_run

COLLECTIVE = r"(all-reduce|all-gather|all-to-all|collective-permute|collective-broadcast|reduce-scatter)"

def numbers(tree):
    keys = lambda leaf: jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
    return [np.asarray(keys(leaf)) for leaf in jax.tree.leaves(tree)]

def prepare(every, **given):
    config = config_of_run(fraction=0.34, migrate_every=every)
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, num_populations=4))
    program = dataclasses.replace(config.program(), **given)
    shapes = jax.eval_shape(program.init)
    return program, jax.jit(program.chunk).lower(shapes, program.situations).compile()

told = {}
for every in (0, 3):
    program, chunk = prepare(every)
    told[f"words_{every}"] = sorted(set(re.findall(COLLECTIVE, chunk.as_text())))
state = jax.jit(program.init)()
spread = chunk(program.place(state), program.situations)
told["devices"] = [program.devices, len(jax.tree.leaves(spread[0].population.mind)[0].sharding.device_set)]
whole = prepare(3, devices=1)[1](state, program.situations)
told["same"] = all(
    np.allclose(one, other, atol=1e-5, equal_nan=True) if one.dtype == np.float32 else (one == other).all()
    for one, other in zip(numbers(spread), numbers(whole), strict=True)
)
print(json.dumps(told))
"""


@pytest.mark.slow
def test_devices_that_hold_populations_speak_of_migrants_only():
    """And what two of them compute is what one would, but for how sums are rounded."""
    flags = "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
    environment = os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": str(Path(__file__).parent), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", ON_DEVICES], capture_output=True, text=True, env=environment, check=True
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {"devices": [2, 2], "words_0": [], "words_3": ["collective-permute"], "same": True}
