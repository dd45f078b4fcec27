"""Write `docs/speed.md` and its picture from the rows in `benchmarks/results`. Run it from the root when they change:

python docs/make_speed.py
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from make_games import markdown

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks" / "results"

Row = dict[str, Any]

PEERS = ["peer", "its world", "our game", "agents", "ours", "theirs", "ratio"]

SOCIALJAX_EXTRA = ("lb_foraging",)
"""Compared as well, but none of SocialJax's social dilemmas; the target is for those."""


def rows(name: str) -> list[Row]:
    """The rows of one file of results, without what was skipped."""
    lines = (RESULTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if "skipped" not in row]


def page() -> str:
    """Write the page."""
    peers, alone = rows("cpu_compare"), rows("cpu_one_core_grid_games")
    gpu, training, learning = rows("gpu_one_h100"), rows("gpu_one_h100_train"), rows("cpu_learning")
    parts = [
        "# Speed",
        "Every number here comes from a row in `benchmarks/results`, and `python docs/make_speed.py` makes this page "
        "from them. `benchmarks/README.md` says how rows are measured. The machines were shared with other work: read "
        "a single rate as plus or minus 30 %.",
        "## Targets and measurements",
        markdown(
            [
                ["what", "target", "measured", "holds"],
                *targets(peers, alone, gpu, training),
                *minds(),
                *on_two_cores(learning, rows("cpu_starts"), rows("cpu_train_rounds")),
            ]
        ),
        "## Where a target is missed, and why",
        *reasons(peers, alone, gpu, training, learning, {row["game"]: row for row in rows("cpu_kernels")}),
        "## Beside its peers",
        "One CPU core, 1,024 environments, random actions, observations read, resets as each does them. Ours and "
        f"theirs took {peers[0]['repeats']} turns; the ratio is the median of those of the turns. Rates are in "
        "agent-steps per second. Maps and rules are alike, not the same.",
        markdown(
            [["peer", "its world", "our game", "agents", "ours", "theirs", "ratio"], *map(against, by_ratio(peers))]
        ),
        "## Learning beside JaxMARL",
        "Its feed-forward IPPO at its own settings, and ours without memory at the same, in kitchens of the same size, "
        "on two CPU cores: whole updates, in agent-steps per second. `benchmarks/README.md` says what differs.",
        columns(BESIDE, learning),
        "## Every grid game alone, and all in one batch",
        f"One CPU core, {alone[0]['num_envs']:,} environments of each; jax {alone[0]['jax']}. *Times floor* is the "
        "time of a step over the least it could take by its bytes and operations.",
        columns(WORLD, slowest_first(alone)),
        "Games in one batch, against the mean cost of an agent-step of the same games alone:",
        columns(MIXED, [*batches(rows("cpu_mixed")), *batches(alone)]),
        "## Learning on the cores of a CPU",
        "Populations are spread over the cores, as over any devices: each learns on one of them.",
        columns(CORES, rows("cpu_cores")),
        "## Worlds on one H100",
        "![Agent-steps per second against environments](speed.png)",
        columns(WORLD, gpu),
        "The batch of all games was not measured there.",
        "## Learning on one H100",
        "Recurrent PPO with opponent heads, whole rounds of play and learning, the default network.",
        columns(LEARNING, training),
    ]
    return "\n\n".join(parts) + "\n"


def targets(peers: list[Row], alone: list[Row], gpu: list[Row], training: list[Row]) -> list[list[str]]:
    """Compare what was aimed at to what was measured."""
    dilemmas = [r for r in peers if r["peer"] == "socialjax" and r["game"] not in SOCIALJAX_EXTRA]
    social, games = [r["ratio"] for r in dilemmas], {r["game"] for r in dilemmas}
    metta = [r["ratio"] for r in peers if r["peer"] == "mettagrid"]
    tiny = {r["world"]: r["ratio"] for r in peers if r["peer"] == "jaxmarl" and "storm" not in r["world"]}
    harvest = max((r for r in gpu if r["game"] == "commons_harvest_open"), key=lambda r: r["agent_steps_per_s"])
    learning = {r["game"]: r for r in training}
    quick = learning["quickstart: 512 populations of 4"]["agent_steps_per_s"]
    many, one = learning["dilemma: 1,024 populations of 4"], learning["dilemma: one shared policy"]
    share = many["agent_steps_per_s"] / one["agent_steps_per_s"]
    shared = learning["quickstart: one shared policy"]["agent_steps_per_s"]
    together = batches(alone)
    times = together[-1]["times"]
    mixed = side_by_side(next(row for row in together if set(row["games"]) == games), dilemmas)
    mean = statistics.geometric_mean(social)
    compiling = max(r["compile_s"] for r in training)
    return [
        [
            "SocialJax's eight social dilemmas, one core",
            "60x in the geometric mean, none under 30x",
            f"{mean:.1f}x, from {min(social):.0f}x to {max(social):.0f}x",
            yes(mean >= 60 and min(social) >= 30),
        ],
        [
            "the same, its games in one batch of ours",
            "30x in the geometric mean",
            f"{mixed:.1f}x",
            yes(mixed >= 30),
        ],
        ["mettagrid's C++ engine, one core", "5x", ", ".join(f"{r:.1f}x" for r in metta), yes(min(metta) >= 5)],
        [
            "JaxMARL's coin game and kitchens",
            "1x",
            ", ".join(f"{world} {ratio:.1f}x" for world, ratio in tiny.items()),
            yes(min(tiny.values()) >= 1),
        ],
        [
            "all grid games in one batch, one core",
            "3 times the mean cost of an agent-step alone",
            f"{times:.1f} times",
            yes(times <= 3),
        ],
        [
            "`commons_harvest_open` on one H100",
            "1e9 agent-steps/s; 15 % of what memory allows",
            f"{harvest['agent_steps_per_s']:.2e}; {1 / harvest['times_floor']:.0%}",
            yes(harvest["agent_steps_per_s"] >= 1e9),
        ],
        ["learning on one H100, default network", "5e6 agent-steps/s", f"{quick:.2e}", yes(quick >= 5e6)],
        [
            "1,024 populations of 4 against one shared policy",
            "70 % of its rate",
            f"{share:.0%} in a matrix game; {quick / shared:.0%} with 512 populations on a commons",
            yes(share >= 0.7),
        ],
        ["compiling a training program on an H100", "40 s", f"{compiling:.0f} s at most", yes(compiling <= 40)],
    ]


def minds() -> list[list[str]]:
    """Compare what was aimed at for minds and selection, on two CPU cores, to what was measured."""
    rates: dict[str, list[float]] = {"none": [], "policy": []}
    for row in rows("cpu_opponent"):
        rates[row["network"]["opponent"]["model"]].append(row["agent_steps_per_s"])
    cost = statistics.mean(rates["none"]) / statistics.mean(rates["policy"]) - 1.0
    linear = {row["what"]: row["times_gru"] for row in rows("cpu_memories") if row["memory"] == "linear"}
    shares = {row["members"]: row["selection_share"] for row in rows("cpu_evolve")}
    return [
        ["opponent head, default run on two cores", "15 % of the time without", f"{cost:.0%}", yes(cost <= 0.15)],
        [
            "linear recurrence against a gated recurrent unit, 512 steps, two cores",
            "3x its updates",
            f"{linear['epoch']:.1f}x; {linear['memory']:.1f}x the memory alone",
            yes(linear["epoch"] >= 3.0),
        ],
        [
            "selection, of a generation's time, two cores",
            "2 %",
            ", ".join(f"{share:.1%} of {members:,} members" for members, share in shares.items()),
            yes(max(shares.values()) <= 0.02),
        ],
    ]


def on_two_cores(learning: list[Row], starts: list[Row], rounds: list[Row]) -> list[list[str]]:
    """Compare what was aimed at on two CPU cores to what was measured."""
    alike = {row["world"]: row["ratio"] for row in learning if row["opponent_model"] == "none"}
    return [
        [
            "learning without memory against JaxMARL's feed-forward IPPO, two cores",
            "2x",
            ", ".join(f"{world} {ratio:.1f}x" for world, ratio in alike.items()),
            yes(min(alike.values()) >= 2),
        ],
        [
            "compiling a training program, two cores",
            "15 s",
            ", ".join(f"{row['game'].partition(':')[0]} {row['compile_s']:.0f} s" for row in rounds),
            yes(max(row["compile_s"] for row in rounds) <= 15),
        ],
        [
            "`softsim train` whose programs are compiled, two cores",
            "3 s to the first step",
            ", ".join(f"{row['game']} {row['start_s']:.1f} s" for row in starts),
            yes(max(row["start_s"] for row in starts) <= 3),
        ],
    ]


def reasons(
    peers: list[Row],
    alone: list[Row],
    gpu: list[Row],
    training: list[Row],
    learning: list[Row],
    kernels: Mapping[str, Row],
) -> list[str]:
    """Say what stands between a measurement and what was aimed at, as far as measurements tell."""
    social = sorted((r for r in peers if r["peer"] == "socialjax"), key=lambda r: r["ratio"])
    social = [r for r in social if r["game"] not in SOCIALJAX_EXTRA]
    least, its = social[0], next(r for r in alone if r["game"] == social[0]["game"])
    coin = next(r for r in peers if (r["peer"], r["world"]) == ("jaxmarl", "coin_game"))
    tiny = next(r for r in alone if r["game"] == coin["game"])
    usual = statistics.median(r["peer_agent_steps_per_s"] for r in social)
    mixed = batches(alone)[-1]
    harvest = max((r for r in gpu if r["game"] == "commons_harvest_open"), key=lambda r: r["agent_steps_per_s"])
    run = {r["game"]: r for r in training}
    kitchen = next(r for r in learning if (r["world"], r["opponent_model"]) == ("cramped_room", "none"))
    update = 1e3 * kitchen["num_envs"] * 128 * kitchen["num_agents"]  # agent-steps of an update, for milliseconds
    size = sum(mixed[f"{part}_bytes"] for part in ("params", "state", "observation"))
    times, share = its["times_floor"], 1 / harvest["times_floor"]
    products = 1e3 * kitchen["matrix_operations"] / kitchen["matrix_operations_per_s"]
    ours, theirs = (update / kitchen[rate] for rate in ("agent_steps_per_s", "peer_agent_steps_per_s"))
    missed = []
    mean = statistics.geometric_mean(r["ratio"] for r in social)
    if mean < 60:
        floors = {r["game"]: r["times_floor"] for r in alone}
        over = statistics.geometric_mean(floors[r["game"]] for r in social)
        missed.append(
            f"**SocialJax's eight, in the geometric mean.** Ours take {over:.1f} times the floor there, and 60x would "
            f"be {over * mean / 60:.1f} times."
        )
    if least["ratio"] < 30:
        missed.append(
            f"**SocialJax's `{least['world']}`.** Its rules are few: it makes {least['peer_agent_steps_per_s']:,.0f} "
            f"agent-steps/s where the median of the eight is {usual:,.0f}. Ours takes {times:.1f} times the floor, and "
            f"30x would be {times * least['ratio'] / 30:.1f} times. {spread_out(kernels[least['game']])}"
        )
    if coin["ratio"] < 1:
        missed.append(
            "**JaxMARL's `coin_game`.** Nine cells, written by hand for this game; ours goes through the phases that "
            f"serve every game, and takes {tiny['times_floor']:.1f} times the floor. From turn to turn the ratio "
            f"was {coin['ratio_min']:.1f} to {coin['ratio_max']:.1f}. {spread_out(kernels[coin['game']])}"
        )
    return [
        *missed,
        "**All games in one batch.** Every environment has the largest map, 16 agents, and each law that any game has: "
        f"{size:,} bytes of situation, state and observation. What no environment of a block needs is skipped; what "
        f"some need, all pay for, {mixed['times_floor']:.0f} times the floor. "
        f"{spread_out(kernels['51 games mixed'])} The eight games beside SocialJax's, in one batch, cost "
        f"{batches(alone)[0]['times']:.1f} times as much as alone. A program for each size would step faster, but each "
        "is one more to compile. A table below says what likeness brings.",
        f"**1e9 agent-steps/s on an H100.** It would be {1e9 / harvest['agent_steps_per_s'] * share:.0%} of what the "
        f"memory allows for the {harvest['floor_bytes']:,} bytes that a step must move; {share:.0%} are reached.",
        "**Many populations against one shared policy.** Members have weights of their own, so that their matrix "
        "products are batches of small ones: "
        f"{compared(run, 'dilemma: 1,024 populations of 4', 'dilemma: one shared policy')}, in a matrix game, which "
        "costs next to nothing beside the networks; "
        f"{compared(run, 'quickstart: 512 populations of 4', 'quickstart: one shared policy')}, in a grid world.",
        f"**JaxMARL's feed-forward IPPO.** An update in `{kitchen['world']}` takes {ours:.0f} ms, theirs {theirs:.0f}. "
        f"The matrix products of ours alone would take {products:.0f} ms at the rate that the same cores reach in a "
        "large one.",
    ]


def spread_out(row: Row) -> str:
    """One sentence on how many kernels share the time of a step."""
    return (
        f"The time goes into {row['kernels']} kernels, of which none has more than {max(row['shares'].values()):.0%}."
    )


def compared(run: Mapping[str, Row], many: str, one: str) -> str:
    """The rate of one run as a share of another's."""
    rate = {name: run[name]["agent_steps_per_s"] for name in (many, one)}
    return f"{rate[many]:.2e} against {rate[one]:.2e} agent-steps/s, {rate[many] / rate[one]:.0%}"


def batches(measured: list[Row]) -> list[Row]:
    """The rows of mixed batches, and how many `times` the mean cost of their games alone an agent-step costs."""
    cost = {row["game"]: 1 / row["agent_steps_per_s"] for row in measured}
    found = []
    for row in measured:
        games = row["game"].removeprefix("mixed:").split("+")
        if len(games) > 1:
            times = cost[row["game"]] / statistics.mean(cost[game] for game in games)
            found.append(row | {"games": games, "times": times})
    return found


def side_by_side(batch: Row, peers: list[Row]) -> float:
    """The geometric mean ratio, to peers' worlds alone, of our games in one batch: there a step of an environment costs
    the same whatever its game."""
    ratios = [batch["env_steps_per_s"] * row["num_agents"] / row["peer_agent_steps_per_s"] for row in peers]
    return statistics.geometric_mean(ratios)


def yes(holds: bool) -> str:
    return "yes" if holds else "**no**"


def by_ratio(peers: list[Row]) -> list[Row]:
    return sorted(peers, key=lambda row: (row["peer"], -row["ratio"]))


def against(row: Row) -> list[str]:
    """One comparison."""
    ours, theirs = row["agent_steps_per_s"], row["peer_env_steps_per_s"] * row["peer_num_agents"]
    named = [row["peer"], row["world"], f"`{row['game']}`", f"{row['num_agents']:g}"]
    return [*named, f"{ours:,.0f}", f"{theirs:,.0f}", f"{row['ratio']:.1f}"]


def slowest_first(alone: list[Row]) -> list[Row]:
    return sorted(alone, key=lambda row: row["agent_steps_per_s"])


def label(row: Row) -> str:
    name = row["game"]
    return f"{name.count('+') + 1} games mixed" if name.startswith("mixed:") else f"`{name}`"


WORLD: Mapping[str, Callable[[Row], str]] = {
    "game": label,
    "agents": lambda row: f"{row['num_agents']:.3g}",
    "environments": lambda row: f"{row['num_envs']:,}",
    "agent-steps/s": lambda row: f"{row['agent_steps_per_s']:,.0f}",
    "env-steps/s": lambda row: f"{row['env_steps_per_s']:,.0f}",
    "compile s": lambda row: f"{row['compile_s']:.1f}",
    "state B": lambda row: f"{row['state_bytes']:,}",
    "observation B": lambda row: f"{row['observation_bytes']:,}",
    "times floor": lambda row: f"{row['times_floor']:.1f}",
}

MIXED: Mapping[str, Callable[[Row], str]] = {
    "games": lambda row: f"{len(row['games'])}, `{row['games'][0]}` to `{row['games'][-1]}`",
    "agents": lambda row: f"{row['num_agents']:.3g}",
    "environments": lambda row: f"{row['num_envs']:,}",
    "agent-steps/s": lambda row: f"{row['agent_steps_per_s']:,.0f}",
    "times alone": lambda row: f"{row['times']:.1f}",
    "compile s": lambda row: f"{row['compile_s']:.1f}",
    "times floor": lambda row: f"{row['times_floor']:.1f}",
}

BESIDE: Mapping[str, Callable[[Row], str]] = {
    "its kitchen": lambda row: row["world"],
    "our game": lambda row: f"`{row['game']}`",
    "our opponent model": lambda row: row["opponent_model"],
    "ours": lambda row: f"{row['agent_steps_per_s']:,.0f}",
    "theirs": lambda row: f"{row['peer_agent_steps_per_s']:,.0f}",
    "ratio": lambda row: f"{row['ratio']:.1f} ({row['ratio_min']:.1f} - {row['ratio_max']:.1f})",
    "compile s, ours : theirs": lambda row: f"{row['compile_s']:.0f} : {row['peer_compile_s']:.0f}",
    "weights, ours : theirs": lambda row: f"{row['num_weights']:,} : {row['peer_num_weights']:,}",
}

LEARNING: Mapping[str, Callable[[Row], str]] = {
    "run": lambda row: row["game"],
    "members": lambda row: f"{row['num_populations'] * row['num_members']:,}",
    "environments": lambda row: f"{row['num_envs']:,}",
    "agent-steps/s": lambda row: f"{row['agent_steps_per_s']:,.0f}",
    "compile s": lambda row: f"{row['compile_s']:.1f}",
    "program GB": lambda row: f"{row['program_bytes'] / 1e9:.1f}",
}


CORES: Mapping[str, Callable[[Row], str]] = {
    "run": lambda row: f"{row['game'].partition(':')[0]}",
    "populations": lambda row: f"{row['num_populations']}",
    "cores": lambda row: f"{row['devices']}",
    "agent-steps/s": lambda row: f"{row['agent_steps_per_s']:,.0f}",
    "compile s": lambda row: f"{row['compile_s']:.1f}",
    "program MB": lambda row: f"{row['program_bytes'] / 1e6:.0f}",
}


def columns(kinds: Mapping[str, Callable[[Row], str]], lines: list[Row]) -> str:
    """A table of rows."""
    return markdown([list(kinds), *([column(row) for column in kinds.values()] for row in lines)])


def picture(path: Path) -> None:
    """Draw agent-steps per second against the number of environments."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
    gpu, name = rows("gpu_one_h100"), "commons_harvest_open"
    line = sorted((row for row in gpu if row["game"] == name), key=lambda row: row["num_envs"])
    envs = [row["num_envs"] for row in line]
    axes.loglog(envs, [row["agent_steps_per_s"] for row in line], "o-", label=f"{name}, H100")
    best = [row["floor_env_steps_per_s"] * row["num_agents"] for row in line]
    axes.loglog(envs, best, ":", color="gray", label=f"{name}, what the H100's memory allows")
    for row in gpu:
        if row["game"] != name:
            axes.loglog(row["num_envs"], row["agent_steps_per_s"], "x", label=f"{row['game']}, H100")
    core = [row for row in rows("cpu_compare") if (row["game"], row["peer"]) == (name, "socialjax")]
    axes.loglog([r["num_envs"] for r in core], [r["agent_steps_per_s"] for r in core], "s", label=f"{name}, CPU core")
    axes.set(xlabel="environments", ylabel="agent-steps per second")
    axes.legend(fontsize=6)
    figure.savefig(path, dpi=120, metadata={"Software": None})


if __name__ == "__main__":
    (DOCS / "speed.md").write_text(page(), encoding="utf-8")
    picture(DOCS / "speed.png")
    print(f"wrote {DOCS / 'speed.md'} and its picture")
