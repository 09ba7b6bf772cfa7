"""Which rights does each system have to give, and to whom, and no more? (from the contracts and the live claims)

What is printed is for the system's owner, to run or to compare with what is there; nothing is executed here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Accounts:
    """How those who need rights are called there: Airflow's tasks, the deployment, the group of people who analyse."""

    runner: str
    deployer: str
    analysts: str
