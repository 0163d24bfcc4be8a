"""Plans as documents."""

import json

import pytest

from swarm.errors import PlanError
from swarm.plan.document import parse_plan

FULL = {
    "id": "refactor-buttons",
    "type": "frontend",
    "description": "Convert all Button components to functional",
    "dependencies": ["analyze-1"],
    "files": ["components/Button/*.tsx"],
    "reads": ["components/types.ts"],
    "acceptance": [["npm", "test", "--", "Button"]],
    "executor": "claude-code",
    "command": None,
    "tier": "worker",
    "estimate_s": 600,
    "timeout_s": 3600,
    "max_attempts": 3,
    "priority": 0,
    "context": "",
    "expected_output": None,
    "deadline_s": None,
    "needs": [],
    "deadline": None,
    "review": None,
    "best_of": 1,
}


def problems_of(document: object, *, source: str = "plan.json") -> dict[str, str]:
    """The problems of a plan by JSON path, or fail."""
    text = document if isinstance(document, str | bytes) else json.dumps(document)
    with pytest.raises(PlanError) as caught:
        parse_plan(text, source=source)
    return {problem.path: str(problem) for problem in caught.value.problems}
