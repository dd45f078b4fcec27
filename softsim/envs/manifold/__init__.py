"""The manifold of situations: coordinates of games, sampling, distance, coverage, and regions held out of training.

Of matrix games, and of grids: names that both have say `grid` for grids.
"""

from softsim.envs.manifold.cells import (
    CELLS,
    DILEMMA_CLASSES,
    cell_index,
    dilemma_class,
    direction_in_cell,
    num_equilibria,
    ordinal_cell,
)
from softsim.envs.manifold.coordinates import (
    BEST_RESPONSES,
    Coordinates,
    best_response,
    coordinates_of,
    direction_at,
    images,
    kin,
    payoff_of,
    restore,
    symmetric,
    uniform_game,
)
from softsim.envs.manifold.grid import AXES as GRID_AXES
from softsim.envs.manifold.grid import (
    GRID_PRIOR,
    QUADRANTS,
    GridPrior,
    GridSituation,
    effect,
    grid_at,
    grid_distance,
    quadrant,
    sample_grid,
)
from softsim.envs.manifold.grid import axes as grid_axes
from softsim.envs.manifold.grid import felt as felt_effect
from softsim.envs.manifold.grid import mutate as mutate_grid
from softsim.envs.manifold.grid_regions import Box, GridSplit, expected_grid_coverage, grid_coverage, grid_split
from softsim.envs.manifold.grid_template import degenerate
from softsim.envs.manifold.grid_template import to_params as grid_params
from softsim.envs.manifold.grid_template import world as grid_world
from softsim.envs.manifold.measures import (
    distance,
    energy_distance,
    expected_coverage,
    game_distance,
    nearest,
    ordinal_coverage,
)
from softsim.envs.manifold.regions import Cap, Cells, Region, Split, split
from softsim.envs.manifold.situation import (
    PRIOR,
    MatrixPrior,
    MatrixSituation,
    felt,
    matrix_at,
    mutate,
    sample_matrix,
    to_params,
)

__all__ = [
    "BEST_RESPONSES",
    "CELLS",
    "DILEMMA_CLASSES",
    "GRID_AXES",
    "GRID_PRIOR",
    "PRIOR",
    "QUADRANTS",
    "Box",
    "Cap",
    "Cells",
    "Coordinates",
    "GridPrior",
    "GridSituation",
    "GridSplit",
    "MatrixPrior",
    "MatrixSituation",
    "Region",
    "Split",
    "best_response",
    "cell_index",
    "coordinates_of",
    "degenerate",
    "dilemma_class",
    "direction_at",
    "direction_in_cell",
    "distance",
    "effect",
    "energy_distance",
    "expected_coverage",
    "expected_grid_coverage",
    "felt",
    "felt_effect",
    "game_distance",
    "grid_at",
    "grid_axes",
    "grid_coverage",
    "grid_distance",
    "grid_params",
    "grid_split",
    "grid_world",
    "images",
    "kin",
    "matrix_at",
    "mutate",
    "mutate_grid",
    "nearest",
    "num_equilibria",
    "ordinal_cell",
    "ordinal_coverage",
    "payoff_of",
    "quadrant",
    "restore",
    "sample_grid",
    "sample_matrix",
    "split",
    "symmetric",
    "to_params",
    "uniform_game",
]
