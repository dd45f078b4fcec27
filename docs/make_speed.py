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
                *on_two_cores(learning, rows("cpu_starts")),
            ]
        ),
        "## Beside its peers",
        "One CPU core, 1,024 environments, random actions, observations read, resets as each does them; ours, theirs, "
        "and ours again in one run. Rates are in agent-steps per second. Maps and rules are alike, not the same.",
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
    social = [r["ratio"] for r in peers if r["peer"] == "socialjax" and r["game"] not in SOCIALJAX_EXTRA]
    metta = [r["ratio"] for r in peers if r["peer"] == "mettagrid"]
    tiny = {r["world"]: r["ratio"] for r in peers if r["peer"] == "jaxmarl" and "storm" not in r["world"]}
    harvest = max((r for r in gpu if r["game"] == "commons_harvest_open"), key=lambda r: r["agent_steps_per_s"])
    learning = {r["game"]: r for r in training}
    quick = learning["quickstart: 512 populations of 4"]["agent_steps_per_s"]
    many, one = learning["dilemma: 1,024 populations of 4"], learning["dilemma: one shared policy"]
    share = many["agent_steps_per_s"] / one["agent_steps_per_s"]
    shared = learning["quickstart: one shared policy"]["agent_steps_per_s"]
    mixed, singles = alone[-1], alone[:-1]
    cost = statistics.mean(1 / r["agent_steps_per_s"] for r in singles)
    times = 1 / mixed["agent_steps_per_s"] / cost
    mean = statistics.geometric_mean(social)
    compiling = max(r["compile_s"] for r in training)
    return [
        [
            "SocialJax's eight social dilemmas, one core",
            "60x in the geometric mean, none under 30x",
            f"{mean:.0f}x, from {min(social):.0f}x to {max(social):.0f}x",
            yes(mean >= 60 and min(social) >= 30),
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


def on_two_cores(learning: list[Row], starts: list[Row]) -> list[list[str]]:
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
            "`softsim train` whose programs are compiled, two cores",
            "3 s to the first step",
            ", ".join(f"{row['game']} {row['start_s']:.1f} s" for row in starts),
            yes(max(row["start_s"] for row in starts) <= 3),
        ],
    ]


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
