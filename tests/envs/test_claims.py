"""Of several agents that claim one cell, the one of highest priority has it."""

import jax.numpy as jnp
import numpy as np
import pytest

from softsim.envs.movement import first_claims


@pytest.mark.parametrize("num_cells", [8, 1000], ids=["on_a_map", "pair_by_pair"])
@pytest.mark.parametrize("seed", range(20))
def test_the_highest_of_the_claims_on_a_cell_stands(num_cells, seed):
    draws = np.random.default_rng(seed)
    num_agents, num_claims = 5, 3
    # An agent's own claims lie on cells that differ.
    cell = np.stack([draws.permutation(8)[:num_claims] for _ in range(num_agents)])
    claims = draws.random(cell.shape) < 0.6
    priority = draws.permutation(num_agents) + 1

    kept = first_claims(jnp.int32(cell), jnp.asarray(claims), jnp.uint32(priority), num_cells)

    for (agent, _), where, stands, claimed in zip(
        np.ndindex(cell.shape), cell.flat, np.asarray(kept).flat, claims.flat, strict=True
    ):
        rivals = priority[(claims & (cell == where)).any(1)]
        assert stands == (claimed and priority[agent] == rivals.max())
