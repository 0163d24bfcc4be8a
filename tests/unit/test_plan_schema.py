"""What a plan looks like, for editors and for planners."""

from plan_documents import FULL

from swarm.plan.schema import plan_schema, planner_schema


def test_the_schema_covers_both_forms_and_every_field() -> None:
    """`swarm schema plan` names each field of the documentation."""
    schema = plan_schema()

    forms = {form["type"] for form in schema["anyOf"]}
    assert forms == {"object", "array"}
    assert set(schema["$defs"]["TaskDocument"]["properties"]) == set(FULL)


def test_the_planner_schema_holds_only_what_the_api_accepts() -> None:
    """Every object is closed and complete, and no unsupported keyword is left anywhere."""
    supported = {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "description",
    }
    pending = [planner_schema()]
    objects = 0

    while pending:
        schema = pending.pop()
        assert set(schema) <= supported
        if schema.get("type") == "object":
            objects += 1
            assert schema["additionalProperties"] is False
            assert schema["required"] == list(schema["properties"])
            pending += schema["properties"].values()
        if "items" in schema:
            pending.append(schema["items"])

    assert objects == 2
