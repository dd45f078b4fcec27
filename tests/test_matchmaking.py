"""Who sits with whom: every rule against its formula, and past members at the tables."""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from resuming import resume
from scipy import stats

from softsim import (
    HyperConfig,
    NetworkConfig,
    PPOConfig,
    SelectionConfig,
    TrainConfig,
    UserError,
    assemble,
    cross_play,
    make,
    population,
    rollout,
)
from softsim.heredity import HeredityConfig
from softsim.learners import strategies, structure
from softsim.matchmaking import LeagueConfig, MatchmakingConfig, everyone, league, matchmaker
from softsim.matchmaking.neighbours import regular, structure_of
from softsim.matchmaking.sittings import assortative, exchange, places_of, shuffle_tables, spatial, weighted
from softsim.matchmaking.standings import Standings, chance_to_win, count_wins, log_priority, no_standings

compiled = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def table_for(num_envs: int, num_members: int, game: str = "prisoners_dilemma", guests: int = 0) -> rollout.Table:
    """Learners and, if it is asked for, guests; all play at random."""
    world = make(game)[0]
    policy = strategies.random(world.num_actions, world.num_agents)
    return rollout.Table(world, policy, num_members - guests, (), 1, num_envs, guests)


def draw(sit, draws: int, seed: int = 0) -> np.ndarray:
    """Sittings [draws, E, A], or whatever else is drawn."""
    return np.asarray(compiled(jax.vmap(sit))(jax.random.split(jax.random.key(seed), draws)))


def chi2(count: np.ndarray, expected: np.ndarray) -> float:
    """Probability of counts at least as far from what is expected."""
    assert count.sum() == pytest.approx(expected.sum())
    return float(stats.chi2.sf(((count - expected) ** 2 / expected).sum(), len(count) - 1))


def deviation(samples: np.ndarray, expected: float) -> float:
    """Standard errors between the mean of independent samples and what is expected."""
    return float((samples.mean() - expected) / (samples.std(ddof=1) / np.sqrt(len(samples))))


def neighbours_at_table(sitting: np.ndarray):
    """Pairs of members [..., pairs, 2] that share a table, both ways round."""
    pairs = list(itertools.permutations(range(sitting.shape[-1]), 2))
    return np.stack([sitting[..., list(pair)] for pair in pairs], -2)


RULES = {
    "uniform": MatchmakingConfig(),
    "assortative": MatchmakingConfig("assortative", assortment=0.6),
    "spatial": MatchmakingConfig("spatial"),
    "pfsp": MatchmakingConfig("pfsp", prefer="hard"),
    "choice": MatchmakingConfig("choice", leave="defect"),
}


@pytest.mark.parametrize(
    ("rule", "game", "num_envs", "num_members"),
    [(rule, "prisoners_dilemma", 8, 4) for rule in RULES] + [("pfsp", "public_good_5", 6, 6)],
)
def test_every_rule_gives_everybody_as_many_seats(rule, game, num_envs, num_members):
    table = table_for(num_envs, num_members, game)
    maker = matchmaker(RULES[rule], table)
    founder = jnp.arange(num_members, dtype=jnp.int32) // 2
    seat = compiled(maker.seat)
    place, again = (seat(jax.random.key(seed), maker.start(), founder) for seed in (0, 1))
    assert (place.shape, place.dtype) == ((num_members, table.num_places // num_members), jnp.int32)
    assert sorted(place.reshape(-1).tolist()) == list(range(table.num_places))
    assert place.tolist() != again.tolist()


def test_uniform_is_the_permutation_of_old():
    table = table_for(8, 4)
    maker = matchmaker(MatchmakingConfig(), table)
    place = compiled(maker.seat)(jax.random.key(3), maker.start(), jnp.zeros(4, jnp.int32))
    old = compiled(population.seat, static_argnums=(1, 2))(jax.random.key(3), 16, 4)
    assert place.tolist() == old.tolist()


def test_places_are_where_members_sit():
    sitting = jnp.int32([[2, 0], [1, 1], [0, 2]])
    assert places_of(sitting, 3).tolist() == [[1, 4], [2, 3], [0, 5]]


def test_tables_and_slots_are_shuffled_alike():
    """Any table comes to any place, and any slot: 3 tables x 2 slots, each as likely."""
    sitting = draw(lambda key: shuffle_tables(key, jnp.arange(6, dtype=jnp.int32).reshape(3, 2)), 6000)
    assert (np.sort(sitting, -1) % 2 == [0, 1]).all()  # nobody leaves their table
    place = np.array([(sitting.reshape(-1, 6) == 0)[:, p].sum() for p in range(6)])
    assert chi2(place, np.full(6, 1000.0)) > 1e-4


def test_exchange_moves_some_all_ways_alike_and_nobody_else():
    stays = jnp.array([False, True, False])
    sitting = draw(lambda key: exchange(key, jnp.arange(6, dtype=jnp.int32).reshape(3, 2), stays), 4800).reshape(-1, 6)
    assert (sitting[:, 2:4] == [2, 3]).all()
    count = collections.Counter(map(tuple, sitting[:, [0, 1, 4, 5]]))
    assert len(count) == 24
    assert chi2(np.array(list(count.values())), np.full(24, 200.0)) > 1e-4


@pytest.mark.parametrize(("num_envs", "num_agents"), [(8, 2), (4, 3)])
def test_assortment_is_what_was_asked_for(num_envs, num_agents):
    """Kinds of two, one and one members of four: how often a neighbour at the table is kin, against the formula."""
    kin = jnp.int32([5, 0, 5, 2])
    keys = jax.random.split(jax.random.key(0), 3000)
    sit = compiled(jax.vmap(lambda key, r: assortative(key, r, kin, num_envs, num_agents), in_axes=(0, None)))
    for assortment in (0.0, 0.35, 0.8, 1.0):
        kinds = neighbours_at_table(np.asarray(kin)[np.asarray(sit(jax.random.clone(keys), jnp.float32(assortment)))])
        for kind, members in ((5, 2), (0, 1), (2, 1)):
            tables = members * num_envs // 4
            meets = (kinds[..., 0] == kind) & (kinds[..., 1] == kind)
            share = meets.sum((1, 2)) / (tables * num_agents * (num_agents - 1))
            n = np.arange(1, num_envs + 1)
            mixed = num_agents - 1 + (n - 1) * num_agents * (tables - 1) / (num_envs - 1)
            chance = stats.binom.pmf(n - 1, num_envs - 1, 1 - assortment)
            expected = assortment + (1 - assortment) * (chance * mixed / (n * num_agents - 1)).sum()
            if assortment == 0.0:
                assert expected == pytest.approx((num_agents * tables - 1) / (num_envs * num_agents - 1))
            if assortment == 1.0:
                assert (share == 1.0).all()
            elif tables * num_agents > 1:
                assert abs(deviation(share, expected)) < 4


def test_kin_are_descendants_of_one_founder_or_holders_of_one_tag():
    """With two learners of one founder and two guests: whom a table for kin alone may hold."""
    table, founder = table_for(8, 4, guests=2), jnp.int32([1, 1])
    wanted = {"member": [{0}, {1}, {2}, {3}], "founder": [{0, 1}, {2}, {3}], "tag": [{0, 3}, {1, 2}]}
    given = MatchmakingConfig("assortative", tags=(7, 8, 8, 7), assortment=1.0)
    makers = {kin: matchmaker(dataclasses.replace(given, kin=kin), table) for kin in wanted}
    places = compiled(jax.vmap(lambda key: {kin: makers[kin].seat(key, (), founder) for kin in wanted}))
    with jax.debug_key_reuse(False):  # the three are to be compared
        place = places(jax.random.split(jax.random.key(0), 20))
    for kin, groups in wanted.items():
        sitting = np.argsort(np.asarray(place[kin]).reshape(20, -1), 1).reshape(-1, 2) // 4
        together = {frozenset(map(int, row)) for row in sitting}
        assert all(any(pair <= group for group in groups) for pair in together)
        assert {member for pair in together for member in pair} == set(range(4))
        assert any(len(pair) == 2 for pair in together) == (kin != "member")


@pytest.mark.parametrize(("name", "num_members"), [("cycle", 5), ("torus", 12)])
def test_neighbours_play_neighbours_each_as_often(name, num_members):
    neighbour = regular(structure_of(name, num_members))
    degree = neighbour.shape[1]
    sitting = draw(lambda key: spatial(key, jnp.asarray(neighbour), 2 * num_members, 2), 3000)
    edges = {frozenset((i, int(j))) for i in range(num_members) for j in neighbour[i]}
    met = np.sort(sitting, -1)
    for edge in edges:
        share = (met == sorted(edge)).all(-1).sum(1)
        if name == "cycle":
            assert (share == 2).all()
        else:
            assert abs(deviation(share, 2 * num_members / len(edges))) < 4
    assert {frozenset(map(int, pair)) for pair in met.reshape(-1, 2)} == edges
    assert len(edges) == num_members * degree // 2
    assert (np.sort(sitting.reshape(3000, -1)) == np.repeat(np.arange(num_members), 4)).all()


def test_a_table_for_three_on_a_ring_holds_one_and_both_neighbours():
    neighbour = jnp.asarray(regular(structure.cycle(5)))
    sitting = draw(lambda key: spatial(key, neighbour, 10, 3), 50)
    table = {tuple(sorted(map(int, row))) for row in sitting.reshape(-1, 3)}
    assert table == {tuple(sorted(((i - 1) % 5, i, (i + 1) % 5))) for i in range(5)}


def test_only_even_neighbourhoods_make_even_tables():
    for graph in (structure.cycle(4), structure.well_mixed(4), structure.islands(2, 3), structure.lattice(3, 4)):
        neighbour = regular(graph)
        assert neighbour.shape == (graph.num_members, int(graph.degree[0]))
        assert (neighbour != np.arange(len(neighbour))[:, None]).all()
    for graph in (structure.star(5), structure.lattice(3, 3, periodic=False)):
        with pytest.raises(UserError, match="structure: members have"):
            regular(graph)
    directed = structure.graph(np.array([[1], [0], [0]]), np.ones((3, 1), bool))
    with pytest.raises(UserError, match="structure: some members"):
        regular(directed)
    with pytest.raises(UserError, match="no torus has 7"):
        structure_of("torus", 7)


@pytest.mark.slow
@pytest.mark.parametrize(("num_envs", "num_agents"), [(3, 2), (2, 3)])
def test_weighted_sittings_have_the_probabilities_of_their_products(num_envs, num_agents):
    """All 90 sittings of three members at six places."""
    weight = np.array([[0.3, 1.0, 3.0], [1.0, 1.5, 0.5], [3.0, 0.5, 1.0]])
    log_weight = jnp.log(jnp.asarray(weight, jnp.float32))
    sitting = draw(lambda key: weighted(key, log_weight, num_envs, num_agents), 30000).reshape(-1, 6)
    options = sorted(set(itertools.permutations((0, 0, 1, 1, 2, 2))))
    assert len(options) == 90
    pairs = list(itertools.combinations(range(num_agents), 2))
    tables = np.array(options).reshape(90, num_envs, num_agents)
    product = np.array([np.prod([weight[row[a], row[b]] for row in table for a, b in pairs]) for table in tables])
    count = collections.Counter(map(tuple, sitting.tolist()))
    assert chi2(np.array([count[option] for option in options]), 30000 * product / product.sum()) > 1e-4


@pytest.mark.slow
def test_weighted_pairs_at_many_tables_are_scaled_weights():
    """u[i] w[i, j] u[j], with u from Sinkhorn's iteration, within 2 %, of which rounding off to
    210 tables is a part."""
    weight = np.array([[0.2, 1.0, 2.0], [1.0, 1.0, 0.4], [2.0, 0.4, 0.7]])
    sitting = draw(lambda key: weighted(key, jnp.log(jnp.float32(weight)), 210, 2), 1000)
    met = np.zeros((3, 3))
    np.add.at(met, tuple(np.moveaxis(neighbours_at_table(sitting), -1, 0)), 1.0)
    scale = np.ones(3)
    for _ in range(200):
        scale = np.sqrt(scale / (weight @ scale))
    expected = scale[:, None] * weight * scale
    np.testing.assert_allclose(3 * met / met.sum(), expected, rtol=0.02)


def test_who_wins_is_counted_pair_by_pair():
    """One table for three, one with a stranger (3) who has no row; the past counts half."""
    sitting, payoff = jnp.int32([[0, 1, 0], [2, 3, 1]]), jnp.float32([[5.0, 2.0, 5.0], [1.0, 0.0, 4.0]])
    before = Standings(jnp.ones((3, 4)), jnp.full((3, 4), 2.0))
    after = compiled(count_wins)(before, jnp.float32(0.5), sitting, sitting, payoff)
    met, won = np.zeros((3, 4)), np.zeros((3, 4))
    for members, paid in zip(sitting.tolist(), payoff.tolist(), strict=True):
        for a, b in itertools.permutations(range(3), 2):
            if members[a] < 3:
                met[members[a], members[b]] += 1
                won[members[a], members[b]] += 0.5 if paid[a] == paid[b] else float(paid[a] > paid[b])
    np.testing.assert_allclose(after.met, 1.0 + met)
    np.testing.assert_allclose(after.won, 0.5 + won)
    assert (chance_to_win(no_standings(2, 2)) == 0.5).all()


def test_priorities_of_opponents():
    chance = jnp.float32([0.1, 0.5, 0.9])
    np.testing.assert_allclose(jnp.exp(log_priority(chance, "hard", jnp.float32(2.0))), [0.81, 0.25, 0.01], rtol=1e-5)
    np.testing.assert_allclose(jnp.exp(log_priority(chance, "even", jnp.float32(1.0))), [0.09, 0.25, 0.09], rtol=1e-5)


def test_pfsp_seats_even_matches_together_and_heirs_inherit_the_record():
    """Of four, two pairs are even; a round later member 3 goes on as a copy of 0."""
    table = table_for(4, 4)
    maker = matchmaker(MatchmakingConfig("pfsp", prefer="even", power=3.0), table)
    won = np.triu(np.full((4, 4), 100.0))
    won[:2, :2] = won[2:, 2:] = 50.0
    record = Standings(jnp.float32(won), jnp.full((4, 4), 100.0))
    place = draw(lambda key: maker.seat(key, record, jnp.zeros(4, jnp.int32)), 200)
    sitting = np.argsort(place.reshape(200, -1), 1).reshape(-1, 2) // 2
    assert (sitting[:, 0] // 2 == sitting[:, 1] // 2).mean() > 0.95

    sitting = jnp.int32([[0, 1], [2, 3], [0, 2], [1, 3]])
    events, payoff = jnp.zeros((4, 2, 2)), jnp.float32([[1, 0]] * 4)
    after = compiled(maker.learn)(maker.start(), sitting, payoff, events, jnp.int32([0, 1, 2, 0]))
    assert after.won.tolist() == [[0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 1, 0]]
    assert after.met.tolist() == [[0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0]]


def test_partners_stay_until_one_walks_away():
    table = table_for(6, 4)
    maker = matchmaker(MatchmakingConfig("choice", leave="defect"), table)
    founder = jnp.zeros(4, jnp.int32)
    place = compiled(maker.seat)(jax.random.key(0), maker.start(), founder)
    sitting = np.argsort(np.asarray(place).reshape(-1)).reshape(6, 2) // 3
    events = np.zeros((6, 2, 2), np.float32)
    events[:, :, 0], events[1, 0, 1], events[4, 1, 1] = 5.0, 2.0, 1.0
    learn = compiled(maker.learn)
    record = learn(maker.start(), jnp.asarray(sitting), jnp.zeros((6, 2)), jnp.asarray(events), jnp.arange(4))
    stays = np.asarray(record[1])
    assert stays.tolist() == [True, False, True, True, False, True]
    changed = set()
    for place in draw(lambda key: maker.seat(key, record, founder), 20):
        now = np.argsort(place.reshape(-1)).reshape(6, 2) // 3
        assert (now[stays] == sitting[stays]).all()
        assert sorted(now[~stays].reshape(-1)) == sorted(sitting[~stays].reshape(-1))
        changed.add(now[~stays].tobytes())
    assert len(changed) > 3


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (MatchmakingConfig("assortative"), "num_envs: 6 is not a multiple of the 4 members"),
        (MatchmakingConfig("spatial"), "num_envs: 6 is not a multiple of the 4 members"),
        (MatchmakingConfig("choice"), "leave: 'leave' is no event of this world; its events are cooperate, defect"),
    ],
)
def test_rules_that_cannot_seat(config, said):
    with pytest.raises(UserError, match=said):
        matchmaker(config, table_for(6, 4))


def test_a_table_may_need_more_than_all_neighbours():
    with pytest.raises(UserError, match="one has 2 neighbours, and 4 sit at a table with one"):
        matchmaker(MatchmakingConfig("spatial"), table_for(6, 6, "public_good_5"))


def test_tags_that_are_genes_seat_together_who_has_the_same():
    """Of four learners two that share one, and a guest, who has none."""
    maker = matchmaker(MatchmakingConfig("assortative", kin="tag", assortment=1.0), table_for(10, 5, guests=1))
    tags = jnp.array([0.5, 0.25, 0.5, 0.75])
    place = np.asarray(
        compiled(jax.vmap(lambda key: maker.seat(key, (), tags)))(jax.random.split(jax.random.key(0), 20))
    )
    sitting = np.argsort(place.reshape(20, -1), 1).reshape(-1, 2) // 4
    together = {frozenset(map(int, row)) for row in sitting}
    assert together == {frozenset(pair) for pair in ((0,), (0, 2), (2,), (1,), (3,), (4,))}


def test_tags_must_be_had_and_looked_at():
    by_tag = MatchmakingConfig("assortative", kin="tag")
    for meeting, heritable, said in [
        (by_tag, (), "matchmaking.tags: none given; every member needs one, or heredity"),
        (MatchmakingConfig(), ("tag",), "heredity.heritable: 'tag', by which nobody is seated"),
        (dataclasses.replace(by_tag, tags=(1, 1, 2)), ("tag",), "heredity.heritable: 'tag', by which nobody is seated"),
    ]:
        config = dataclasses.replace(CONFIG, matchmaking=meeting, heredity=HeredityConfig(heritable=heritable))
        with pytest.raises(UserError, match=said):
            program_of(config)


def test_every_member_needs_a_tag():
    with pytest.raises(UserError, match="tags: 3 are given; each of 4"):
        matchmaker(MatchmakingConfig("assortative", kin="tag", tags=(1, 2, 3)), table_for(8, 4))


def a_league(config: LeagueConfig, learners: int = 2) -> league.League:
    return league.found(config, {"weight": jnp.arange(learners) * 1.0}, None)


def test_a_league_keeps_the_newest_moments_in_a_ring():
    config = LeagueConfig(moments=2, every=3)
    past = a_league(config)
    assert past.taken.tolist() == [0, 0, -1, -1]
    past = dataclasses.replace(past, record=Standings(jnp.ones((2, 4)), jnp.ones((2, 4))))
    past = league.keep(config, past, {"weight": jnp.float32([30, 31])}, jnp.int32(3))
    assert past.taken.tolist() == [0, 0, 3, 3]
    assert past.mind["weight"].tolist() == [0, 1, 30, 31]
    assert past.record.met.tolist() == [[1, 1, 0, 0]] * 2
    past = league.keep(config, past, {"weight": jnp.float32([60, 61])}, jnp.int32(6))
    assert past.taken.tolist() == [6, 6, 3, 3]
    assert past.mind["weight"].tolist() == [60, 61, 30, 31]
    both = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf + 100]), past)
    assert everyone(both)["weight"].tolist() == [60, 61, 30, 31, 160, 161, 130, 131]


def test_a_league_may_be_given():
    given = league.found(LeagueConfig(), {"weight": jnp.zeros(2)}, {"weight": jnp.arange(5.0)})
    assert (given.taken.tolist(), given.record.won.shape) == ([0] * 5, (2, 5))


@pytest.mark.parametrize("prefer", ["any", "hard", "even"])
def test_past_members_are_invited_by_their_priority(prefer):
    """Mean over learners of (1 - x)**p or (x (1 - x))**p, among those there are."""
    config = LeagueConfig(seats=3, moments=2, prefer=prefer, power=1.5)
    won = jnp.float32([[1, 9, 4, 5], [8, 2, 6, 5]])
    past = dataclasses.replace(
        a_league(config), taken=jnp.int32([0, 0, -1, 4]), record=Standings(won, jnp.full((2, 4), 9.0))
    )
    invited = draw(lambda key: league.invite(key, config, past), 10000).reshape(-1)
    x = (np.asarray(won) + 0.5) / 10.0
    weight = {"any": np.ones_like(x), "hard": (1 - x) ** 1.5, "even": (x * (1 - x)) ** 1.5}[prefer].mean(0)
    weight[2] = 0.0
    count = np.bincount(invited, minlength=4)
    assert count[2] == 0
    there = [0, 1, 3]
    assert chi2(count[there], 30000 * weight[there] / weight.sum()) > 1e-4
    assert (
        league.guests(past, jnp.int32([3, 1, 1]))["weight"].tolist()
        == past.mind["weight"][jnp.array([3, 1, 1])].tolist()
    )


def test_wins_against_guests_count_for_whom_they_are_copies_of():
    """Members 0 and 1 learn, 2 and 3 are guests, 4 is scripted; learner 1 is then replaced by a copy of 0."""
    config = LeagueConfig(seats=2, moments=2, memory=0.5)
    past = a_league(config)
    sitting = jnp.int32([[0, 2], [3, 1], [0, 1], [2, 3], [4, 0], [1, 4]])
    payoff = jnp.float32([[1, 0], [1, 1], [0, 1], [0, 1], [0, 1], [0, 1]])
    learn = compiled(functools.partial(league.learn, config))
    after = learn(past, jnp.int32([3, 1]), sitting, payoff, jnp.arange(2)).record
    assert after.won.tolist() == [[0, 0, 0, 1.0], [0, 0.5, 0, 0]]
    assert after.met.tolist() == [[0, 0, 0, 1.0], [0, 1.0, 0, 0]]
    after = learn(past, jnp.int32([3, 1]), sitting, payoff, jnp.int32([0, 0])).record
    assert after.met.tolist() == [[0, 0, 0, 1.0]] * 2


CONFIG = TrainConfig(
    num_populations=2,
    num_members=3,
    num_envs=6,
    num_steps=8,
    num_rounds=4,
    rounds_per_chunk=2,
    network=NetworkConfig(hidden=8, memory=8),
    ppo=PPOConfig(num_epochs=1, num_minibatches=1),
    hyper=HyperConfig(learning_rate=1e-2),
    selection=SelectionConfig(every=2, fraction=0.5),
)


def program_of(config: TrainConfig, **given):
    world, situations = make(["prisoners_dilemma"], horizon=6)
    return assemble(config, world, situations, **given)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["pfsp", "choice"])
def test_training_goes_on_where_it_stopped(rule, tmp_path):
    """Under the rules that remember something."""
    config = dataclasses.replace(CONFIG, matchmaking=RULES[rule], selection=SelectionConfig())
    first, last, metrics = resume(program_of(config), tmp_path)
    assert np.isfinite(metrics["return"]).all()
    if rule == "pfsp":  # twelve pairs meet a round, both ways round, and four rounds fade by 0.9 each
        assert first.company.met.sum() == 0
        np.testing.assert_allclose(last.company.met.sum((1, 2)), 12 * (1 - 0.9**4) / 0.1, rtol=1e-5)
        np.testing.assert_allclose(last.company.won.sum((1, 2)), 6 * (1 - 0.9**4) / 0.1, rtol=1e-5)
    else:
        sitting, stays = last.company
        assert (np.bincount(np.asarray(sitting).reshape(-1)) == 8).all()
        assert stays.shape == (2, 6)


@pytest.mark.slow
def test_who_leaves_in_training_meets_others():
    """Pairs among whom nobody chose to leave meet again, round after round; the others are mixed."""
    config = dataclasses.replace(
        CONFIG, num_populations=8, num_steps=2, rounds_per_chunk=1, matchmaking=MatchmakingConfig("choice")
    )
    program = assemble(config, *make(["optional_prisoners_dilemma"], horizon=1))
    chunk, state = jax.jit(program.chunk), jax.jit(program.init)()
    sitting, stays = np.asarray(state.company[0]), np.asarray(state.company[1])
    kept, broken = 0, 0
    for number in range(4):
        state, metrics = chunk(state, program.situations)
        now, still = map(np.asarray, state.company)
        assert (now[stays] == sitting[stays]).all()
        left = np.asarray(metrics["events"])[0, :, :, 2].sum(1)
        assert ((left > 0) == ~still.all(1)).all()
        kept, broken = kept + stays.sum(), broken + ((now != sitting).any(2) & ~stays).sum() * (number > 0)
        sitting, stays = now, still
    assert kept > 10
    assert broken > 10


@pytest.mark.slow
def test_a_league_is_collected_and_sat_with_and_learns_nothing(tmp_path):
    """Founders, half-grown and last members are kept; one of them sits at the tables, for whom metrics have a place."""
    config = dataclasses.replace(CONFIG, league=LeagueConfig(seats=1, moments=3, every=2, prefer="even"))
    program = program_of(config)
    first, last, metrics = resume(program, tmp_path)
    assert last.league.taken.tolist() == [[0] * 3 + [2] * 3 + [4] * 3] * 2
    minds = (last.league.mind, first.population.mind, last.population.mind)
    for kept, founder, now in zip(*map(jax.tree.leaves, minds), strict=True):
        assert (kept[:, :3] == founder).all()
        assert (kept[:, 6:] == now).all()
    assert metrics["return"].shape == (2, 2, 4)
    assert metrics["opponent_ce"].shape == (2, 2, 3)
    assert last.league.record.met.sum() > 0
    assert jax.tree.leaves(program.minds(last))[0].shape[:2] == (2, 4)
    returns = cross_play(program, last, jax.random.key(0), repeats=2)
    assert returns.shape == (2, 4, 4)


@pytest.mark.slow
def test_fictitious_co_play(tmp_path):
    """Two populations of one play themselves; a new population learns beside what they were."""
    alone = dataclasses.replace(
        CONFIG, num_members=1, selection=SelectionConfig(), league=LeagueConfig(moments=3, every=2)
    )
    _, last, _ = resume(program_of(alone), tmp_path / "alone")
    past = everyone(last.league)
    config = dataclasses.replace(CONFIG, league=LeagueConfig(seats=1, moments=0))
    first, last, _ = resume(program_of(config, past=past), tmp_path / "together")
    assert last.league.taken.tolist() == [[0] * 6] * 2
    for given, before, after in zip(*map(jax.tree.leaves, (past, first.league.mind, last.league.mind)), strict=True):
        assert (before == given[None]).all()
        assert (after == given[None]).all()


@pytest.mark.parametrize(
    ("config", "past", "said"),
    [
        (LeagueConfig(seats=1), None, "league.moments: 0"),
        (LeagueConfig(seats=1, moments=2), {}, "league.moments: 2; a league that is given"),
        (LeagueConfig(seats=1, run="there"), None, "league.run: 'there'; a `RunConfig` loads its members"),
        (LeagueConfig(run="there"), {}, "league.run: 'there' with league.seats 0"),
        (
            LeagueConfig(seats=3),
            {"w": jnp.zeros(4)},
            "league: weights .* of its members are missing, of the learners fl",
        ),
        (LeagueConfig(seats=2, moments=2), None, "3 learners and 2 scripted or past members do not divide"),
        (LeagueConfig(seats=1, moments=-1), None, "league.moments: -1"),
    ],
)
def test_leagues_that_cannot_be_meant(config, past, said):
    with pytest.raises(UserError, match=said):
        program_of(dataclasses.replace(CONFIG, league=config), past=past)


def test_names_that_are_no_rule():
    config = dataclasses.replace(CONFIG, matchmaking=MatchmakingConfig(rule="best"))  # ty: ignore[invalid-argument-type]
    with pytest.raises(UserError, match=r"matchmaking.rule: 'best'; allowed are 'uniform', 'assortative'"):
        program_of(config)
