"""Declarations in words: nothing that a game says is left out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from softsim.envs import (
    Act,
    Beam,
    Cell,
    Decay,
    Draw,
    Encounter,
    Ending,
    Enter,
    Face,
    Game,
    Goal,
    Growth,
    Hit,
    Income,
    MatrixGame,
    Meeting,
    Nature,
    Need,
    Rule,
    Slot,
    Slowdown,
    Speech,
    Struck,
    Touch,
    Trick,
    View,
    Work,
    declare,
    make,
    names,
    words,
)
from softsim.envs.describe import actions, equilibria, legend, payoffs, sections, summary
from softsim.envs.games import ordinal
from softsim.envs.matrix import public_good

FLAT = ((3, 0), (5, 1))
ORCHARD = Game(
    name="orchard",
    map="#####\n#aPg#\n#####",
    legend={"a": Cell("apple", site="orchard"), "g": Cell(site="lawn")},
    num_agents=4,
    roles=("old", "young"),
)


def told(game: Game | MatrixGame) -> str:
    """Everything that is said of a game."""
    chart = legend(game) if isinstance(game, Game) else payoffs(game)
    return f"{summary(game)} {chart} {sections(game)}"


# Every part of a declaration that has fields, and a value of each field of which something else must be said.
PARTS = {
    "rules": (
        Rule(on=Enter("apple")),
        {
            "on": Touch("apple"), "role": "old", "hand": "", "slot": "seed", "least": 2, "whose": "mine", "ripe": 3,
            "nature": 1, "fit": 2.0, "present": "old", "chance": 0.5, "becomes": "floor", "reward": 1.0,
            "reward_others": 1.0, "split": 1.0, "split_others": 1.0, "by_level": True, "freeze": 2, "exile": 3,
            "event": "ate", "holds": "seed", "gains": {"seed": 1}, "cash": 2.0, "claim": "join", "paint": 1,
            "feeds": 1.0, "owes": 1.0, "spores": {"apple": 2}, "turns": "redraw", "progress": 1,
            "blight": ("apple", 0.5), "wash": True,
        },
    ),
    "growth": (
        Growth("apple", on="orchard", rate=0.1),
        {
            "item": ("apple", "pear"), "on": "lawn", "rate": (0.0, 0.1, 0.2, 0.3), "after": 5, "first": 2, "cap": 3,
            "over": "moss", "ripe": 4, "under_agents": True, "times": ("pear",), "radius": 1.0,
            "slowed_by": Slowdown("dirt", of="lawn", low=0.1, high=0.4),
        },
    ),
    "decay": (Decay("apple", 0.1), {"item": "pear", "rate": 0.2, "into": "dirt", "ripe": 3}),
    "draws": (Draw("apple", on="lawn", rate=0.1), {"item": ("a", "b"), "on": "orchard", "rate": 0.2, "count": 3}),
    "income": (Income("apple", 0.1), {"item": "pear", "rate": 0.2, "amount": 2.0, "ripe": 3}),
    "work": (
        Work("apple", need=2, done=Rule(on=Act("interact"))),
        {"item": "pear", "need": 3, "done": Rule(on=Act("interact"), reward=1.0), "window": 4},
    ),
    "beams": (
        Beam("zap", strikes_agents=True),
        {
            "name": "tag", "length": 0, "half_width": 0, "cooldown": 5, "price": 0.5, "passes": True,
            "ends_at": ("apple",), "role": "old", "strikes_agents": False, "targets": {"old": "young"}, "guard": 2,
            "mark_for": 5, "removes_for": 6, "freezes_for": 7, "reward": 1.0, "fine": -2.0, "event": "zapped",
            "gives": True, "meets": True, "says": 2, "votes": True,
        },
    ),
    "goals": (
        Goal({"old": 1.0}, progress=3),
        {"reward": {"old": -1.0}, "progress": 4, "role": "old", "left": 1, "event": "over"},
    ),
}  # fmt: skip
SINGLE = {
    "encounter": (
        Encounter(FLAT, FLAT),
        {
            "row": ((1, 0), (5, 1)), "column": ((1, 0), (5, 1)), "by_role": True, "freezes_for": 2,
            "removes_for": 3, "event": "fought", "progress": 1,
        },
    ),
    "need": (
        Need(18, {"noop": 1.0}),
        {
            "most": {"old": 5}, "change": {"noop": 2.0}, "role": "old", "band": (5.0, 3.0, 1.0),
            "slow": {"old": (0, 1, 2, 3)}, "exile": 9,
        },
    ),
    "nature": (Nature(2), {"count": 3, "shown": "old", "period": 5, "first": 1}),
    "speech": (Speech(), {"fades": 0.25, "range": 7}),
    "meeting": (Meeting(200, 25), {"period": 100, "length": 20, "quorum": 0.6, "alarm": "tag"}),
    "trick": (
        Trick("lawn", 8, 0.25, 0.125, "old", "young"),
        {"site": "orchard", "until": 9, "swap": 0.5, "screen": 0.5, "blinds": "young", "hold": "old", "lead": 3},
    ),
    "ending": (
        Ending(1000, minimum=10, interval=5, rate=0.1),
        {"maximum": 2000, "minimum": 20, "interval": 10, "rate": 0.2, "round": 7, "renew": True},
    ),
    "view": (View(), {"ahead": 3, "behind": 3, "side": 3}),
}  # fmt: skip
NEEDS = {
    "rules.least": {"slot": "seed"},
    "rules.by_level": {"reward": 1.0},
    "growth.first": {"rate": None, "per_try": 0.5},
    "growth.cap": {"rate": None, "per_step": 0.5},
    "growth.radius": {"rate": (0.0, 0.1, 0.2, 0.3)},
    "draws.count": {"rate": None},
    "goals.role": {"progress": None},
    "goals.left": {"progress": None, "role": "old"},
    "need.band": {"slow": {"old": (0, 1, 2, 3)}},
}
"""What else must be given for a field to mean anything."""

CASES = [(field, name) for field, (_, others) in (PARTS | SINGLE).items() for name in others]


@pytest.mark.parametrize(("field", "name"), CASES, ids=[f"{field}.{name}" for field, name in CASES])
def test_every_field_is_told(field, name):
    part, others = (PARTS | SINGLE)[field]
    before = dataclasses.replace(part, **NEEDS.get(f"{field}.{name}", {}))
    after = dataclasses.replace(before, **{name: others[name]})
    orchard = dataclasses.replace(ORCHARD, bag={"seed": Slot(5), "leaf": Slot(5)})
    games = [dataclasses.replace(orchard, **{field: [each] if field in PARTS else each}) for each in (before, after)]
    assert told(games[0]) != told(games[1])


@pytest.mark.parametrize("field", [*PARTS, *SINGLE])
def test_no_field_is_forgotten(field):
    """A new field of a declaration is put into words, and into the lists above."""
    part, others = (PARTS | SINGLE)[field]
    known = {"per_step", "per_try"} if field == "growth" else set()
    assert {f.name for f in dataclasses.fields(part)} == set(others) | known


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("show_role", True),
        ("level", {"old": 2.0}),
        ("solid", ("wall", "apple")),
        ("barred", {"old": ["apple"]}),
        ("look", {"old": {"apple": "pear"}}),
        ("hands", ("seed",)),
        ("bag", {"seed": Slot(5, start=1, into="leaf", amount=2)}),
        ("torus", True),
        ("show_identity", False),
        ("role_of", ("old", "old", "old", "young")),
        ("num_agents", 6),
    ],
)
def test_what_holds_everywhere_is_told(field, value):
    assert told(dataclasses.replace(ORCHARD, **{field: value})) != told(ORCHARD)


@pytest.mark.parametrize(
    ("law", "said"),
    [
        (Rule(on=Enter("apple"), becomes="floor", reward=1.0, event="ate"), "pays 1, leaves `floor`, counted as `ate`"),
        (Rule(on=Enter("apple"), role=("a", "b"), reward=-0.5), "entering `apple`, as `a` or `b`: costs 0.5"),
        (
            Rule(on=Struck("dirt", by="clean"), chance=0.5),
            "striking `dirt` with `clean`, with probability 0.5: nothing",
        ),
        (Rule(on=Face("box"), freeze=2**30), "facing `box`: freezes the actor for good"),
        (
            Rule(on=Hit("prey", by="bite"), exile=1),
            "striking `prey` with `bite`: takes the actor off the map for 1 step",
        ),
        (Rule(on=Act("eat"), hand="pear"), "using `eat`, with `pear` in the hand: nothing"),
    ],
    ids=lambda value: None if isinstance(value, Rule) else value,
)
def test_rules_read_as_sentences(law, said):
    assert words.rule(law).endswith(said)


def test_numbers_have_no_exponent():
    values = {5e-6: "0.000005", 2 / 3: "0.666667", 3.0: "3", -0.5: "-0.5", 5000: "5000"}
    assert [words.number(value) for value in values] == list(values.values())


@pytest.mark.parametrize("name", names())
def test_every_game_has_its_say(name):
    game = declare(name)
    text = told(game)
    assert game.question in text or repr(game.question) in text
    assert "None" not in text
    assert all(lines and all(line.strip() for line in lines) for lines in sections(game).values())
    if isinstance(game, Game):
        assert set(legend(game)) == set("".join(game.rows))
        assert all(f"`{event}`" in text for event in game.event_names())
        assert len(sections(game).get("Beams", ())) == len(game.beams)


@pytest.mark.parametrize("name", ["coins_classic", "lewis_signalling_4", "hidden_bait", "chicken"])
def test_actions_and_size_are_those_of_the_world(name):
    world, _ = make(name)
    game = declare(name)
    assert actions(game) == list(world.action_names)
    spec = getattr(world, "spec", None)
    size = (spec.height, spec.width) if spec else (1, 1)
    assert (summary(game)["height"], summary(game)["width"]) == size


def test_beams_of_the_vocabulary_come_first():
    game = dataclasses.replace(ORCHARD, beams=[Beam("sing"), Beam("clean"), Beam("zap"), Beam("dance")])
    assert actions(game)[-4:] == ["zap", "clean", "sing", "dance"]


def test_payoffs_of_two_and_of_many():
    assert payoffs(declare("prisoners_dilemma")) == [
        ["", "cooperate", "defect"],
        ["cooperate", "3, 3", "0, 5"],
        ["defect", "5, 0", "1, 1"],
    ]
    assert payoffs(MatrixGame("commons", public_good(3, 1.5))) == [
        ["others who cooperate", "0", "1", "2"],
        ["cooperate", "-0.5", "0", "0.5"],
        ["defect", "0", "0.5", "1"],
    ]


def test_equilibria_are_found_for_any_number_of_players():
    for name in list(ordinal.ORDINAL)[::7]:
        game = ordinal.ORDINAL[name]()
        marked = [
            ", ".join(game.action_names[m] for m in joint) for joint in np.argwhere(ordinal.equilibria(game.payoff))
        ]
        assert equilibria(game) == marked
    volunteers = declare("volunteers_dilemma_5")
    assert isinstance(volunteers, MatrixGame)
    assert len(equilibria(volunteers)) == 5
