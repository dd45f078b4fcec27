"""What nobody can mean is refused, in one sentence: the field, the value, what is allowed."""

from __future__ import annotations

import contextlib
import dataclasses
import math

import jax
import numpy as np
import pytest

from softsim.envs import (
    Beam,
    Cell,
    Decay,
    Ending,
    Enter,
    Game,
    Growth,
    MatrixGame,
    Rule,
    Slowdown,
    Struck,
    Touch,
    View,
    compile_games,
    compile_matrix_games,
    declare,
    make,
    names,
)
from softsim.envs.vocabulary import DARK, ITEMS, NUM_SYMBOLS
from softsim.types import UserError

NAN, INF = math.nan, math.inf

MEADOW = Game(
    name="meadow",
    map="######\n#aaPP#\n#drPs#\n######",
    legend={
        "a": Cell("apple", site="orchard"),
        "d": Cell("dirt", site="stream"),
        "r": Cell("river", site="stream"),
        "s": Cell(spawn="start"),
    },
    rules=[
        Rule(on=Enter("apple"), becomes="floor", reward=1.0, event="ate"),
        Rule(on=Struck("dirt", by="clean"), becomes="river"),
    ],
    growth=[Growth("apple", on="orchard", rate=0.1)],
    decay=[Decay("dirt", 0.1, into="river")],
    beams=[Beam("clean")],
    num_agents=2,
    roles=("near", "far"),
    view=View(2, 0, 1),
)


def refusal(run) -> str:
    """Run what must be refused, and hold its message to the form that all share."""
    with pytest.raises(UserError) as caught:
        run()
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert ". " not in message.replace("...", ""), f"more than one sentence: {message}"
    assert len(message) < 500
    return message


def refused(game: Game, *parts: str) -> None:
    """Hold the message to name the game and each of `parts`: field, value, what is allowed."""
    message = refusal(lambda: compile_games([game]))
    assert message.startswith(f"{game.name}: ")
    for part in parts:
        assert part in message, f"{part!r} is not in: {message}"


def told(value) -> str:
    """Name a case by the field and value that its message tells."""
    return " ".join(value[:2]) if isinstance(value, tuple) and value else "of"


def meadow(**fields) -> Game:
    return dataclasses.replace(MEADOW, **fields)


def test_what_is_fine_compiles():
    """Guards the rest: each game below differs from this one in one thing."""
    world, params = compile_games([MEADOW])
    assert world.event_names == ("ate",)
    assert params.agent_mask.shape == (1, 2)


# ---- Names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("cleanup", "clean_up"),
        ("coin", "coins"),
        ("prisoner_dilemma", "prisoners_dilemma"),
        ("Chicken", "chicken"),
    ],
)
def test_an_unknown_game_suggests_the_nearest(wrong, nearest):
    for run in (lambda: make(wrong), lambda: declare(wrong), lambda: make(["coins", wrong])):
        message = refusal(run)
        assert repr(wrong) in message
        assert f"did you mean {nearest!r}" in message
        assert "`softsim games`" in message


def test_a_game_like_no_other_is_sent_to_the_list():
    message = refusal(lambda: make("qqqqq"))
    assert "'qqqqq'" in message
    assert "did you mean" not in message
    assert f"`softsim games` lists all {len(names())}" in message


@pytest.mark.parametrize("name", ["clean_up", "prisoners_dilemma"])
@pytest.mark.parametrize("horizon", [0, -3])
def test_a_horizon_has_a_step(name, horizon):
    message = refusal(lambda: make(name, horizon=horizon))
    assert "horizon" in message
    assert str(horizon) in message
    assert "at least 1" in message


@pytest.mark.parametrize("num_agents", [0, -1, 20, 99])
def test_agents_fit_the_cells_where_they_start(num_agents):
    message = refusal(lambda: make("clean_up", num_agents=num_agents))
    for part in ("clean_up", "num_agents", str(num_agents), "19 cells", "1 to 19"):
        assert part in message


def test_a_matrix_game_has_its_own_number_of_agents():
    message = refusal(lambda: make("chicken", num_agents=3))
    for part in ("chicken", "num_agents is 3", "for 2"):
        assert part in message
    assert make("chicken", num_agents=2)[0].num_agents == 2


def test_games_made_together_are_of_one_kind():
    message = refusal(lambda: make(["clean_up", "chicken"]))
    assert "'clean_up' is a grid world" in message
    assert "'chicken' a matrix game" in message


def test_matrix_games_made_together_have_one_shape():
    message = refusal(lambda: make(["chicken", "public_good_5"]))
    for part in ("chicken", "public_good_5", "agents and moves", "(2, 2, 2)", "(5, 2, 2, 2, 2, 2)"):
        assert part in message


@pytest.mark.slow
def test_games_compiled_together_keep_their_views():
    """Each sees what its own view holds of the window that covers all, and darkness around it."""
    near, far = View(1, 0, 2), View(3, 1, 1)
    world, params = compile_games([meadow(view=near), meadow(view=far)])
    assert world.spec.view == View(3, 1, 2)
    _, timestep = jax.vmap(world.reset)(jax.random.split(jax.random.key(0), 2), params)
    dark = np.asarray(timestep.observation.window)[:, 0, :, :, 0] == DARK
    assert not dark[0, 2:4].any()
    assert dark[0, :2].all()
    assert dark[0, 4:].all()
    assert not dark[1, :, 1:4].any()
    assert dark[1, :, [0, 4]].all()


@pytest.mark.parametrize("run", [lambda: make([]), lambda: compile_games([]), lambda: compile_matrix_games([])])
def test_no_games_at_all(run):
    message = refusal(run)
    assert message.startswith("games: none given")
    assert "at least one" in message


def test_more_items_than_there_are_symbols():
    room = NUM_SYMBOLS - len(ITEMS)
    symbols = [chr(0x4E00 + i) for i in range(room + 2)]
    many = {symbols[i]: Cell(f"thing_{i}") for i in range(room + 2)}
    line, pad = "".join(many), "." * (room - 1)
    fits = meadow(map=f"aad{pad}\nPPs{pad}\n{line[:room]}..", legend=MEADOW.legend | many)
    compile_games([fits])
    message = refusal(lambda: compile_games([dataclasses.replace(fits, map=f"aad{pad}\nPPs{pad}\n{line}")]))
    for part in (f"name {NUM_SYMBOLS + 2} items", f"{NUM_SYMBOLS} fit", f"thing_{room}", f"thing_{room + 1}"):
        assert part in message


# ---- Maps ------------------------------------------------------------------------------------------------


def test_an_unknown_symbol_is_pointed_at():
    refused(
        meadow(map="######\n#aaPP#\n#d?Ps#\n######"),
        "map",
        "'?'",
        "row 2, column 2",
        "'#'",
        "'.'",
        "'P'",
        "'a'",
    )


@pytest.mark.parametrize("num_agents", [0, 5, 63])
def test_more_agents_than_start_cells(num_agents):
    refused(meadow(num_agents=num_agents), f"num_agents is {num_agents}", "4 cells where agents start", "1 to 4")


def test_more_agents_than_can_be_told_apart():
    crowded = meadow(map="aad" + "." * 67 + "\n" + "P" * 70, num_agents=62)
    compile_games([crowded])
    refused(dataclasses.replace(crowded, num_agents=63), "num_agents is 63", "at most 62")


@pytest.mark.parametrize("picture", ["", "\n\n", "###\n###"])
def test_a_map_has_somewhere_to_start(picture):
    plain = Game(name="plain", map=picture)
    refused(plain, "map", "start")
    assert "1 to 0" not in refusal(lambda: compile_games([plain])), "an empty range is no advice"


def test_a_row_of_spaces_is_a_row_of_floor():
    """Only the lines before and after the picture are no part of it."""
    world, params = compile_games([Game(name="open", map="\n#P#\n   \n# #\n")])
    assert (world.spec.height, world.spec.width) == (3, 3)
    assert (params.layout.cell[0] == 0).sum() == 5


def test_spawn_is_one_of_four_words():
    legend = dict(MEADOW.legend) | {"s": Cell(spawn="sometimes")}
    refused(meadow(legend=legend), "spawn", "'sometimes'", "'start'", "'later'", "'always'")


def test_nobody_appears_in_a_wall():
    legend = dict(MEADOW.legend) | {"s": Cell("wall", spawn="always")}
    refused(meadow(legend=legend), "'wall'", "solid")
    refused(meadow(solid=("wall", "floor")), "'floor'", "solid")


def test_solid_items_exist():
    refused(meadow(solid=("wall", "rock")), "solid", "'rock'", "apple", "wall")


def test_who_is_removed_can_return():
    legend = dict(MEADOW.legend) | {"P": Cell(spawn="start")}
    zap = Beam("zap", strikes_agents=True, removes_for=5)
    refused(meadow(beams=[*MEADOW.beams, zap], legend=legend), "removes agents", "'later' or 'always'")
    compile_games([meadow(beams=[*MEADOW.beams, zap])])


# ---- Rules -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "parts"),
    [
        (Rule(on=Enter("pear")), ("rules[0].on.item", "'pear'", "apple, dirt, floor, river, wall")),
        (Rule(on=Struck("pear", by="clean")), ("rules[0].on.item", "'pear'", "apple")),
        (Rule(on=Struck("dirt", by="broom")), ("rules[0].on.by", "'broom'", "clean")),
        (Rule(on=Touch("pear")), ("rules[0].on.item", "'pear'")),
        (Rule(on=Touch("apple")), ("rules[0].on.item", "'apple'", "allowed are wall")),
        (Rule(on=Enter("apple"), role="middle"), ("rules[0].role", "'middle'", "far, near")),
        (Rule(on=Enter("apple"), reward=NAN), ("rules[0].reward", "nan", "finite")),
        (Rule(on=Enter("apple"), reward=INF), ("rules[0].reward", "inf", "finite")),
        (Rule(on=Enter("apple"), reward_others=-INF), ("rules[0].reward_others", "-inf", "finite")),
        (Rule(on=Enter("apple"), freeze=-1), ("rules[0].freeze", "-1", "from 0")),
        (Rule(on=Enter("apple"), reward=1e39), ("rules[0].reward", "1e+39")),
        (Rule(on=Enter("apple"), reward_others=-1e39), ("rules[0].reward_others", "-1e+39")),
    ],
    ids=told,
)
def test_rules_are_about_what_there_is(rule, parts):
    refused(meadow(rules=[rule]), *parts)


def test_every_rule_can_be_reached():
    hidden = [Rule(on=Enter("apple")), Rule(on=Enter("dirt")), Rule(on=Enter("apple"), role="far")]
    refused(meadow(rules=hidden), "rules[2]", "apple", "rules[0]", "never be reached")
    refused(meadow(rules=[hidden[2], hidden[2]]), "rules[1]", "never be reached")
    compile_games([meadow(rules=[Rule(on=Enter("apple"), role="near"), Rule(on=Enter("apple"))])])


def test_there_is_room_for_every_rule_or_the_game_is_refused():
    """A table of bytes holds 255 rows."""
    rules = [Rule(on=Enter("apple"), chance=1 / (i + 2)) for i in range(260)]
    refused(meadow(rules=rules), "rules", "260", "250")


def test_every_role_has_a_member_and_every_member_a_place():
    refused(meadow(roles=("near", "far", "away", "gone", "lost")), "roles", "5", "at most 4")
    refused(meadow(role_of=("near",)), "'far'", "no member", "role_of")
    refused(meadow(role_of=("near", "fat")), "role_of", "'fat'", "far, near")
    legend = {"s": Cell(spawn="start", role="far")}
    refused(meadow(map="sss", legend=legend, rules=[], growth=[], beams=[]), "'near'", "0 cells where they may start")


def test_value_does_not_come_from_nothing():
    """However long the way round: through hands, bags, and what things turn into by themselves."""
    well = Rule(on=Enter("apple"), reward=1.0)
    refused(meadow(rules=[well]), "pay without end", "endless=True")
    compile_games([meadow(rules=[well], endless=True)])
    there = Rule(on=Enter("apple"), becomes="dirt", reward=1.0)
    compile_games([meadow(rules=[there])])
    back = Rule(on=Enter("dirt"), becomes="apple")
    refused(meadow(rules=[there, back]), "pay without end")
    refused(meadow(rules=[there], decay=[Decay("dirt", 0.1, into="apple")]), "pay without end")
    costly = dataclasses.replace(back, reward=-1.0)
    compile_games([meadow(rules=[there, costly])])
    take = Rule(on=Enter("apple"), hand="", holds="fruit", becomes="dirt")
    eat = Rule(on=Enter("dirt"), hand="fruit", holds="", becomes="apple", reward=1.0)
    refused(meadow(rules=[take, eat], hands=("fruit",)), "pay without end")
    compile_games([meadow(rules=[take, dataclasses.replace(eat, becomes="dirt")], hands=("fruit",))])


def test_maps_are_rectangles():
    refused(meadow(map="aad\nPP\nPPs"), "map row 1", "2 symbols", "3")


def test_someone_has_a_role():
    refused(meadow(roles=()), "roles")


# ---- Growth and decay ------------------------------------------------------------------------------------


def slow(**fields) -> Growth:
    slowdown = Slowdown("dirt", of="stream", low=0.0, high=0.4)
    return Growth("apple", on="orchard", rate=0.1, slowed_by=dataclasses.replace(slowdown, **fields))


@pytest.mark.parametrize(
    ("law", "parts"),
    [
        (Growth("apple", on="field", rate=0.1), ("growth[0].on", "'field'", "orchard, stream")),
        (Growth("apple", on="orchard", over="moss", rate=0.1), ("growth[0].over", "'moss'", "apple")),
        (Growth("apple", on="orchard"), ("growth[0]", "exactly one of rate, per_step and per_try")),
        (
            Growth("apple", on="orchard", rate=0.1, per_step=0.1),
            ("growth[0]", "exactly one of rate, per_step and per_try"),
        ),
        (Growth("apple", on="orchard", rate=1.5), ("growth[0].rate", "1.5", "from 0 to 1")),
        (Growth("apple", on="orchard", rate=-0.1), ("growth[0].rate", "-0.1", "from 0 to 1")),
        (Growth("apple", on="orchard", rate=NAN), ("growth[0].rate", "nan", "from 0 to 1")),
        (Growth("apple", on="orchard", rate=(0.0, 0.1, 2.0, 0.1)), ("growth[0].rate", "2.0", "from 0 to 1")),
        (Growth("apple", on="orchard", rate=(0.0, 0.1)), ("growth[0].rate", "(0.0, 0.1)")),
        (Growth("apple", on="orchard", per_step=1.5), ("growth[0].per_step", "1.5")),
        (Growth((), on="orchard", rate=0.1), ("growth[0].item", "()")),
        (Growth(("apple", "dirt"), on="orchard", per_step=0.1), ("growth[0]", "per_step", "one item")),
        (
            dataclasses.replace(slow(), rate=None, per_step=0.1),
            ("growth[0]", "per_step", "no slowed_by or times"),
        ),
        (slow(item="moss"), ("growth[0].slowed_by.item", "'moss'", "apple, dirt")),
        (slow(of="field"), ("growth[0].slowed_by.of", "'field'", "orchard, stream")),
        (slow(low=NAN), ("growth[0].slowed_by.low", "nan")),
        (slow(high=INF), ("growth[0].slowed_by.high", "inf")),
        (slow(low=0.5, high=0.4), ("growth[0].slowed_by", "0.5", "0.4")),
        (Growth("apple", on="orchard", rate=(0.0, 0.1, 0.1, 0.1), radius=NAN), ("growth[0].radius", "nan")),
        (Growth("apple", on="orchard", rate=(0.0, 0.1, 0.1, 0.1), radius=-1.0), ("growth[0].radius", "-1")),
        (Growth("apple", on="orchard", rate=(0.0, 0.1, 0.1, 0.1), radius=8.5), ("growth[0].radius", "8.5", "to 8")),
        (Growth("apple", on="orchard", rate=0.1, after=1.5), ("growth[0].after", "1.5")),  # type: ignore[arg-type]
    ],
    ids=told,
)
def test_growth_is_about_what_there_is(law, parts):
    refused(meadow(growth=[law]), *parts)


def test_a_site_has_one_law_with_a_rate():
    law = Growth("apple", on="orchard", rate=0.1)
    refused(meadow(growth=[law, dataclasses.replace(law, rate=0.2)]), "'orchard'", "two", "'apple'", "one is allowed")
    rival = dataclasses.replace(law, item="dirt", rate=0.95)
    refused(meadow(growth=[law, rival]), "'orchard'", "1.05")
    compile_games([meadow(growth=[law, dataclasses.replace(rival, rate=0.9)])])
    compile_games([meadow(growth=[law, Growth("dirt", on="orchard", per_step=0.1)])])


@pytest.mark.parametrize(
    ("decay", "parts"),
    [
        ([Decay("pear", 0.1)], ("decay[0].item", "'pear'", "apple")),
        ([Decay("apple", 1.1)], ("decay[0].rate", "1.1", "from 0 to 1")),
        ([Decay("dirt", 0.1), Decay("apple", NAN)], ("decay[1].rate", "nan", "from 0 to 1")),
        ([Decay("dirt", 0.1), Decay("dirt", 0.2)], ("decay[1]", "'dirt'")),
    ],
    ids=told,
)
def test_decay_is_about_what_there_is(decay, parts):
    refused(meadow(decay=decay), *parts)


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"rules": [Rule(on=Enter("apple"), becomes="wall")]}, ("rules[0].becomes", "'wall'")),
        ({"rules": [Rule(on=Struck("apple", by="clean"), becomes="wall")]}, ("rules[0].becomes", "'wall'")),
        ({"decay": [Decay("apple", 0.1, into="wall")]}, ("decay[0].into", "'wall'")),
        ({"growth": [Growth(("apple", "wall"), on="camp", rate=0.1)]}, ("growth[0].item", "'wall'")),
        ({"growth": [Growth("wall", on="camp", per_step=0.1)]}, ("growth[0].item", "'wall'")),
    ],
    ids=told,
)
def test_no_cell_turns_solid_where_somebody_may_stand_or_return(fields, parts):
    camp = meadow(legend=dict(MEADOW.legend) | {"s": Cell(site="camp", spawn="start")})
    refused(dataclasses.replace(camp, **fields), *parts, "solid")
    # what is solid already may change, and what grows does so where nobody is
    rock = dict(camp.legend) | {"r": Cell("rock", site="stream")}
    compile_games(
        [
            dataclasses.replace(
                camp,
                legend=rock,
                solid=("wall", "rock"),
                rules=[Rule(on=Touch("rock"), becomes="wall"), Rule(on=Struck("rock", by="clean"), becomes="wall")],
                growth=[Growth("rock", on="stream", rate=0.1)],
                decay=[Decay("rock", 0.1, into="wall")],
            )
        ]
    )


# ---- Beams and endings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("length", -1, "from 0 to 16"),
        ("length", 17, "from 0 to 16"),
        ("half_width", -1, "from 0 to 8"),
        ("half_width", 9, "from 0 to 8"),
        ("cooldown", -1, "from 0"),
        ("removes_for", -1, "from 0"),
        ("freezes_for", -2, "from 0"),
        ("reward", NAN, "finite"),
        ("fine", -INF, "finite"),
        ("fine", -1e39, "-1e+39"),
    ],
)
def test_beams_have_a_shape(field, value, allowed):
    beam = dataclasses.replace(MEADOW.beams[0], **{field: value})
    refused(meadow(beams=[beam]), f"beam 'clean'.{field}", str(value), allowed)


def test_beams_have_names_of_their_own():
    refused(meadow(beams=[Beam("clean"), Beam("clean", length=1)]), "beam", "'clean'")


def test_a_beam_is_not_called_like_a_move():
    """Actions are told apart by name: `action_names.index` finds the first."""
    refused(meadow(beams=[*MEADOW.beams, Beam("forward")]), "beam", "'forward'")


@pytest.mark.parametrize(
    ("ending", "parts"),
    [
        (Ending(0), ("ending.maximum", "is 0", "from 1")),
        (Ending(10, interval=0), ("ending.interval", "is 0", "from 1")),
        (Ending(10, rate=1.5), ("ending.rate", "1.5", "from 0 to 1")),
        (Ending(10, rate=NAN), ("ending.rate", "nan", "from 0 to 1")),
        (Ending(10, minimum=NAN), ("ending.minimum", "nan")),  # type: ignore[arg-type]
    ],
    ids=told,
)
def test_endings_are_steps_and_rates(ending, parts):
    refused(meadow(ending=ending), *parts)


@pytest.mark.parametrize("view", [View(-1, 0, 1), View(1, -1, 1), View(1, 0, -1)], ids=str)
def test_a_view_has_a_size(view):
    refused(meadow(view=view), "view", "-1")


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"rules": [Rule(on=Enter("apple"), freeze=1.5)]}, "1.5"),  # type: ignore[arg-type]
        ({"beams": [Beam("clean", length=1.5)]}, "1.5"),  # type: ignore[arg-type]
        ({"beams": [Beam("clean", cooldown=2.5)]}, "2.5"),  # type: ignore[arg-type]
        ({"ending": Ending(10.5)}, "10.5"),  # type: ignore[arg-type]
    ],
)
def test_counts_of_steps_and_cells_are_whole(fields, value):
    """Half a step would be cut off without a word."""
    refused(meadow(**fields), value)


# ---- Matrix games ----------------------------------------------------------------------------------------

TABLE = np.arange(8.0).reshape(2, 2, 2)


def with_entry(value: float) -> np.ndarray:
    table = TABLE.copy()
    table[1, 0, 1] = value
    return table


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"payoff": with_entry(NAN)}, ("payoff", "nan", "finite")),
        ({"payoff": with_entry(-INF)}, ("payoff", "-inf", "finite")),
        ({"payoff": with_entry(1e39)}, ("payoff", "1e+39")),
        ({"payoff": np.zeros((2, 2, 3))}, ("payoff", "(2, 2, 3)", "[A, 2, ...]")),
        ({"payoff": np.zeros((3, 2, 2))}, ("payoff", "(3, 2, 2)", "one axis per agent")),
        ({"action_names": ("a", "b", "c")}, ("payoff", "(2, 2, 2)", "[A, 3, ...]")),
        ({"continuation": 1.5}, ("continuation", "1.5", "from 0 to 1")),
        ({"continuation": NAN}, ("continuation", "nan", "from 0 to 1")),
        ({"tremble": -0.1}, ("tremble", "-0.1", "from 0 to 1")),
        ({"horizon": 0}, ("horizon", "is 0", "at least 1")),
    ],
    ids=told,
)
def test_matrix_games_are_numbers_in_a_table(fields, parts):
    game = MatrixGame("duel", TABLE)
    compile_matrix_games([game])
    message = refusal(lambda: compile_matrix_games([dataclasses.replace(game, **fields)]))
    assert message.startswith("duel: ")
    for part in parts:
        assert part in message, f"{part!r} is not in: {message}"


def test_matrix_games_of_one_name_and_two_shapes():
    games = [MatrixGame("duel", TABLE), MatrixGame("duel", np.zeros((3, 2, 2, 2)))]
    message = refusal(lambda: compile_matrix_games(games))
    assert "agents and moves" in message


def test_a_table_of_lists_is_read_or_refused():
    with contextlib.suppress(UserError):
        _, params = compile_matrix_games([MatrixGame("duel", TABLE.tolist())])  # type: ignore[arg-type]
        assert params.payoff[0].ravel().tolist() == TABLE.ravel().tolist()
