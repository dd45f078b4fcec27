"""Who sits with whom, and with which past members.

Every member has as many seats whatever the rule, and what a rule leaves open is random. Rules know one population, and
are mapped over many.
"""

from __future__ import annotations

from softsim.matchmaking.league import League, LeagueConfig, everyone
from softsim.matchmaking.matchmaker import Matchmaker, MatchmakingConfig, in_order, matchmaker

__all__ = ["League", "LeagueConfig", "Matchmaker", "MatchmakingConfig", "everyone", "in_order", "matchmaker"]
