"""Mapping and schedule: layers into shards, shards onto tiles, and the ops of one training step."""

from archsim.mapping.modes import build_schedule
from archsim.mapping.partition import Mapping, Shard, map_workload
from archsim.mapping.schedule import Need, Op, Schedule, Stage, Use

__all__ = ["Mapping", "Need", "Op", "Schedule", "Shard", "Stage", "Use", "build_schedule", "map_workload"]
