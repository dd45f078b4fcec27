"""What is drawn when an episode starts: so many cells, or each with a probability, and what may not be drawn."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from playing import deviation, only

from softsim.envs import Beam, Cell, Draw, Encounter, Game, Slot, growth
from softsim.envs.vocabulary import ITEMS
from softsim.types import UserError

APPLE, IRON, GOLD, STONE = (ITEMS.index(name) for name in ("apple", "iron", "gold", "stone"))
FIELD = "sssss\nsssss\nsssss\n..P.."


def field(*draws: Draw, **fields) -> Game:
    return Game("field", FIELD, legend={"s": Cell(site="soil"), **fields.pop("legend", {})}, draws=draws, **fields)


def drawn(game: Game, count: int = 400, free: bool = True) -> np.ndarray:
    """The maps of so many episodes, [count, 20]."""
    world, params = only(game)
    layout = params.layout
    seeds = jax.random.bits(jax.random.key(3), (count, 2), np.uint32)
    cells = jnp.full(layout.cell.shape, free)

    def one(seed):
        return growth.scatter(world.spec, params.scatter, layout.site, layout.cell, cells, seed)

    return np.asarray(jax.vmap(one)(seeds)).reshape(count, -1)


@pytest.mark.parametrize("count", [0, 1, 7, 15])
def test_so_many_cells_are_drawn(count):
    cell = drawn(field(Draw("apple", on="soil", count=count)))
    assert ((cell == APPLE).sum(1) == count).all()
    assert not (cell[:, 15:] == APPLE).any()
    for place in range(15) if count < 15 and count else ():
        assert abs(deviation(int((cell[:, place] == APPLE).sum()), 400, count / 15)) < 4


def test_more_than_there_is_room_for_is_as_many_as_there_is():
    assert ((drawn(field(Draw("apple", on="soil", count=40))) == APPLE).sum(1) == 15).all()
    assert not (drawn(field(Draw("apple", on="soil", count=3)), free=False) == APPLE).any()


def test_items_of_one_site_exclude_each_other():
    game = field(Draw("iron", on="soil", rate=0.4), Draw("apple", on="soil", count=3), Draw("gold", on="soil", count=2))
    cell = drawn(game)
    assert ((cell == GOLD).sum(1) == 2).mean() > 0.95  # unless the iron leaves too little room
    assert abs(deviation(int((cell == IRON).sum()), 400 * 15, 0.4)) < 4
    assert ((cell == APPLE).sum(1) == np.minimum(3, 15 - (cell == IRON).sum(1))).all()


@pytest.mark.parametrize("how", [{"rate": 1.0}, {"count": 15}])
def test_of_several_items_each_is_as_likely(how):
    cell = drawn(field(Draw(("iron", "gold", "stone"), on="soil", **how)))
    counts = [int((cell == item).sum()) for item in (IRON, GOLD, STONE)]
    assert sum(counts) == 400 * 15
    assert all(abs(deviation(count, 400 * 15, 1 / 3)) < 4 for count in counts)


@pytest.mark.parametrize(
    ("game", "complaint"),
    [
        (field(Draw("apple", on="soil")), r"draws\[0\] needs exactly one of rate and count"),
        (field(Draw("apple", on="soil", rate=0.5, count=1)), r"draws\[0\] needs exactly one of rate and count"),
        (field(Draw("apple", on="soil", count=-1)), r"draws\[0\].count is -1"),
        (field(Draw((), on="soil", count=1)), r"draws\[0\].item is \(\)"),
        (
            field(
                Draw("stone", on="soil", count=1),
                solid=("wall", "stone"),
                legend={"s": Cell(site="soil", spawn="later")},
            ),
            r"draws\[0\].item is 'stone', which is solid",
        ),
        (
            field(
                Draw("stone", on="soil", rate=0.1),
                solid=("wall", "stone"),
                legend={"s": Cell(site="soil", spawn="start")},
            ),
            r"draws\[0\].item is 'stone', which is solid",
        ),
    ],
)
def test_refusals(game, complaint):
    with pytest.raises(UserError, match=complaint):
        only(game)


def test_an_encounter_needs_a_way_off_the_map_and_back():
    game = field(
        bag={"a": Slot(cap=9)},
        beams=(Beam("interact", strikes_agents=True, meets=True),),
        encounter=Encounter(row=((1,),), column=((1,),)),
    )
    only(game)
    with pytest.raises(UserError, match="removes_for is 0"):
        only(dataclasses.replace(game, encounter=Encounter(row=((1,),), column=((1,),), removes_for=0)))
    with pytest.raises(UserError, match="no map cell has spawn 'later' or 'always'"):
        only(dataclasses.replace(game, legend={"s": Cell(site="soil"), "P": Cell(spawn="start")}))
