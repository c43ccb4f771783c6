"""One job's setting, tuned while it runs: a power limit, a clock, or a list of both, for a stated goal."""

from joulewise.optimize.power.effort import Effort
from joulewise.optimize.power.goal import Goal, Limit
from joulewise.optimize.power.ranks import RankSettings, rank_settings
from joulewise.optimize.power.tuner import Phase, PowerTuner
from joulewise.optimize.power.zeus_sweep import ZeusSweep

__all__ = ["Effort", "Goal", "Limit", "Phase", "PowerTuner", "RankSettings", "ZeusSweep", "rank_settings"]
