"""Which parts of the engine games need, so that a simple game does not pay for the others'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from softsim.envs.game import Act, Enter, Face, Game, Hit, Struck, Touch
from softsim.envs.spec import CONDITIONS, KEPT, PHASES, SEEN


def derive_phases(games: Sequence[Game]) -> tuple[str, ...]:
    """Find the phases that any of the games needs."""
    needed = set().union(*(needs(game) for game in games))
    if len({game.view for game in games}) > 1:
        needed.add("crop")
    if "trait" not in needed and needed & {"hand", "paint", "mark", "stake"}:
        needed.add("trait")
    if needed & {"ripe", "lapse"}:
        needed.add("age")
    return tuple(name for name in (*PHASES, *CONDITIONS, *KEPT, *SEEN) if name in needed)


def needs(game: Game) -> set[str]:
    """Find the phases that one game needs."""
    on = [rule.on for rule in game.rules]  # what work done is declared to be on is never looked up
    wanted = {
        "move": True,
        "enter": any(isinstance(event, (Enter, Touch)) for event in on),
        "touch": any(isinstance(event, Touch) for event in on),
        "face": any(isinstance(event, Face) for event in on),
        "strike": any(isinstance(event, Struck) for event in on),
        "act": any(isinstance(event, Act) for event in on),
        "hit": any(isinstance(event, Hit) for event in on),
        **needs_of_rules(game),
        **needs_of_beams(game),
        **needs_of_nature(game),
        "need": game.need is not None,
        "nature": game.nature is not None,
        "speech": game.speech is not None or any(beam.says for beam in game.beams),
        "meet": game.meeting is not None,
        "encounter": game.encounter is not None,
        "trick": game.trick is not None,
        "goal": bool(game.goals),
        "round": bool(game.ending.round),
        "renew": game.ending.renew,
        "torus": game.torus,
        "guise": bool(game.look),
        "trait": game.show_role,
        "scatter": bool(game.draws),
        "lot": any(draw.count is not None for draw in game.draws),
    }
    return {name for name, is_wanted in wanted.items() if is_wanted}


def needs_of_rules(game: Game) -> dict[str, bool]:
    rules, meets = game.all_rules(), game.encounter is not None
    return {
        "role": len(game.roles) > 1,
        "hand": bool(game.hands),
        "present": any(rule.present for rule in rules),
        "bag": bool(game.bag),
        "stake": any(rule.claim or rule.whose for rule in rules) or bool(game.income),
        "ripe": any(rule.ripe for rule in rules) or any(law.ripe for law in (*game.growth, *game.decay)),
        "chance": any(rule.chance < 1 for rule in rules),
        "exile": any(rule.exile for rule in rules) or bool(game.need and game.need.exile),
        "debt": any(rule.owes for rule in rules) or meets,
        "blight": any(rule.blight for rule in rules),
        "level": any(rule.by_level for rule in rules),
        "paint": any(rule.paint is not None for rule in rules) or any(beam.says for beam in game.beams),
        "wash": any(rule.wash for rule in rules),
        "work": bool(game.work),
        "lapse": any(work.window for work in game.work),
        "income": bool(game.income),
    }


def needs_of_beams(game: Game) -> dict[str, bool]:
    beams = game.beams
    strikes = any(beam.strikes_agents for beam in beams)
    leaves = any(rule.exile for rule in game.all_rules()) or bool(game.need and game.need.exile)
    return {
        "beam": bool(beams),
        "respawn": strikes or leaves or game.meeting is not None,  # how long agents are removed is data
        "mark": any(beam.mark_for for beam in beams),
        "guard": any(beam.guard for beam in beams),
        "gift": any(beam.gives for beam in beams),
        "price": any(beam.price for beam in beams),
    }


def needs_of_nature(game: Game) -> dict[str, bool]:
    laws = game.growth
    return {
        "grow": any(law.rate is not None for law in laws),
        "crowd": any(law.offsets for law in laws),
        "slow": any(law.slowed_by for law in laws),
        "count": any(law.times for law in laws),
        "rivals": any(times > 1 for times in Counter((w.on, w.over) for w in laws if w.rate is not None).values()),
        "emerge": any(law.rate is None for law in laws),
        "cap": any(law.cap is not None for law in laws),
        "spores": any(law.per_try is not None for law in laws),
        "decay": bool(game.decay) or any(rule.blight for rule in game.all_rules()),
    }
