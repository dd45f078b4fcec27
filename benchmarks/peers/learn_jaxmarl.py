"""JaxMARL's own feed-forward IPPO in a kitchen: `python learn_jaxmarl.py cramped_room --checkout PATH`.

Its script and its settings are those of the checkout, unchanged but for how long it runs and the kitchen. One repeat is
one whole training of so many updates, compiled and warmed up before. Needs what `pip install "jaxmarl[algs]"` brings;
what it logs goes nowhere.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

from stepping import serve, versions

KITCHENS = ("cramped_room", "asymm_advantages", "coord_ring", "forced_coord", "counter_circuit")


def main() -> None:
    """Measure the kitchen named on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kitchen", choices=KITCHENS)
    parser.add_argument("--checkout", required=True)
    parser.add_argument("--updates", type=int, default=30, help="of one repeat")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    sys.path.insert(0, asked.checkout)
    import jax
    import wandb
    from baselines.IPPO.ippo_ff_overcooked import make_train
    from jaxmarl.environments.overcooked import overcooked_layouts
    from omegaconf import OmegaConf

    wandb.init(mode="disabled")
    settings = Path(asked.checkout) / "baselines" / "IPPO" / "config" / "ippo_ff_overcooked.yaml"
    config = OmegaConf.to_container(OmegaConf.load(settings))
    config["ENV_KWARGS"] = {"layout": overcooked_layouts[asked.kitchen]}
    config["TOTAL_TIMESTEPS"] = asked.updates * config["NUM_STEPS"] * config["NUM_ENVS"]
    start = time.perf_counter()
    train = jax.jit(make_train(config)).lower(jax.random.PRNGKey(asked.seed)).compile()
    compile_s = time.perf_counter() - start
    seeds = itertools.count(asked.seed)
    result = jax.block_until_ready(train(jax.random.PRNGKey(next(seeds))))

    def repeat():
        start = time.perf_counter()
        jax.block_until_ready(train(jax.random.PRNGKey(next(seeds))))
        return config["TOTAL_TIMESTEPS"] / (time.perf_counter() - start)

    facts = {
        "num_agents": config["NUM_ACTORS"] // config["NUM_ENVS"],
        "compile_s": compile_s,
        "num_weights": sum(leaf.size for leaf in jax.tree.leaves(result["runner_state"][0].params)),
        "settings": {key: value for key, value in config.items() if isinstance(value, (int, float, str))},
        "device": jax.devices()[0].device_kind,
        "versions": versions("jaxmarl", "jax", "flax", "optax", "distrax"),
    }
    serve(repeat, facts)


if __name__ == "__main__":
    main()
