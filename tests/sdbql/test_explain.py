"""The plan of a query as text."""

import sdbql


def plan_of(text: str) -> list[str]:
    """Return the lines of a query's plan."""
    return sdbql.parse(text).explain().split("\n")


def test_steps_come_in_the_order_of_the_clauses() -> None:
    """Each clause is a step."""
    assert plan_of("FOR u IN users FILTER u.age > 1 LET x = u.age * 2 LIMIT 1, 2 RETURN DISTINCT x") == [
        "for each u in users",
        "filter u.age > 1",
        "let x = u.age * 2",
        "limit 1, 2",
        "return distinct x",
    ]


def test_loops_with_equalities_become_lookups() -> None:
    """Each equality goes to the loop it belongs to, whatever the order of the terms."""
    assert plan_of("FOR a IN as FOR b IN bs FOR c IN cs FILTER b.y == c.y AND a.x == b.x AND c.z > 1 RETURN 1") == [
        "for each a in as",
        "look up b in bs by hash: b.x == a.x",
        "look up c in cs by hash: c.y == b.y",
        "filter c.z > 1",
        "return 1",
    ]


def test_a_condition_that_can_fail_stops_the_rewriting() -> None:
    """What comes after it must not be evaluated for fewer rows."""
    assert plan_of("FOR a IN as FOR b IN bs FILTER 1 / a.x > b.y AND a.x == b.x RETURN 1") == [
        "for each a in as",
        "for each b in bs",
        "filter 1 / a.x > b.y AND a.x == b.x",
        "return 1",
    ]


def test_sort_and_limit_become_one_step() -> None:
    """Only the rows that are wanted are held."""
    assert plan_of("FOR u IN users SORT u.a DESC, u.b LIMIT 5 RETURN u") == [
        "for each u in users",
        "sort by u.a DESC, u.b, keeping only 5",
        "return u",
    ]


def test_joins_and_groups_are_described() -> None:
    """With their keys and their remaining conditions."""
    assert plan_of("FOR u IN users LEFT JOIN orders ON orders.u == u._key AND orders.n > 1 COLLECT c = u.c RETURN c") == [
        "for each u in users",
        "left join orders by hash: orders.u == u._key where orders.n > 1",
        "group into c: c = u.c",
        "return c",
    ]


def test_subqueries_are_indented_where_they_are_used() -> None:
    """Also inside a result."""
    assert plan_of("FOR u IN users RETURN (FOR o IN orders FILTER o.u == u._key RETURN o)") == [
        "for each u in users",
        "return (FOR o IN orders FILTER o.u == u._key RETURN o)",
        "  subquery",
        "    look up o in orders by hash: o.u == u._key",
        "    return o",
    ]
