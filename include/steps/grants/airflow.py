"""Who may do what in Airflow? (roles as its FAB auth manager imports them: `airflow roles import <file>`)

Everybody is a `data_viewer`; the other roles are held beside it. Airflow asks for the right to edit the DAG whatever
one wants to do with it: so who may trigger or approve may also pause. Nobody may delete: what was done stays told.
Connections, variables and users are for FAB's own `Admin`.
"""

from __future__ import annotations

import json

VIEWER = "data_viewer"
_SEEN = (
    *("DAGs", "DAG Code", "DAG Dependencies", "DAG Runs", "DAG Versions", "DAG Warnings", "ImportError", "Audit Logs"),
    *("Task Instances", "Task Logs", "XComs", "HITL Detail", "Assets", "Asset Aliases", "Pools", "Website"),
)
_MENUS = ("DAGs", "DAG Runs", "Task Instances", "HITL Detail", "Assets", "Pools", "Browse", "Admin")
_HOLD = {"DAGs": ["can_edit"]}
_APPROVE = _HOLD | {"HITL Detail": ["can_edit"]}
_OPERATE = _HOLD | {"DAG Runs": ["can_create", "can_edit"], "Task Instances": ["can_edit"]}
ROLES: dict[str, dict[str, list[str]]] = {
    VIEWER: {
        resource: ["can_read"] * (resource in _SEEN) + ["menu_access"] * (resource in _MENUS)
        for resource in sorted({*_SEEN, *_MENUS})
    },
    "data_holder": _HOLD,
    "data_approver": _APPROVE,
    "data_operator": _OPERATE,
    "data_on_call": _APPROVE | _OPERATE | {"Pools": ["can_edit"]},
}
"""Role to what it may do: resource to actions, in FAB's words."""


def roles() -> str:
    """The JSON of all roles."""
    entries = [
        {"name": role, "resource": resource, "action": ",".join(actions)}
        for role, rights in ROLES.items()
        for resource, actions in rights.items()
    ]
    return json.dumps(entries, indent=1)
