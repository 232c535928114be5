"""Mapping and schedule: layers into shards, shards onto tiles, and the ops of one training step."""

from archsim.mapping.modes import build_schedule
from archsim.mapping.partition import map_workload
from archsim.mapping.schedule import Need, Op, Schedule, Stage, Use
from archsim.mapping.shards import Mapping, Shard

__all__ = ["Mapping", "Need", "Op", "Schedule", "Shard", "Stage", "Use", "build_schedule", "map_workload"]
