"""Robustness: families of changes that leave what a call does as it was, and how often each of them gets a call forwarded as a read."""

from intent.evaluation.attack.base import Family, Part
from intent.evaluation.attack.catalogue import chained, families
from intent.evaluation.attack.run import AttackReport, FamilyReport, Success, attacked, is_effectful, is_reading, run
from intent.evaluation.attack.table import tables

__all__ = [
    "AttackReport",
    "Family",
    "FamilyReport",
    "Part",
    "Success",
    "attacked",
    "chained",
    "families",
    "is_effectful",
    "is_reading",
    "run",
    "tables",
]
