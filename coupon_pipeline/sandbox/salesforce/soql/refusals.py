"""How Salesforce words what is wrong with a statement: the place, a caret, the reason."""

from coupon_pipeline.sandbox.salesforce.errors import SalesforceError

_AROUND = 40


def refusal(code: str, message: str, text: str, position: int) -> SalesforceError:
    """An error that points at a place in the statement."""
    before = text[:position]
    row = before.count("\n") + 1
    column = position - (before.rfind("\n") + 1) + 1
    start = max(0, position - _AROUND)
    snippet = text[start : position + _AROUND].replace("\n", " ")
    caret = " " * (position - start) + "^"
    return SalesforceError(
        code, f"\n{snippet}\n{caret}\nERROR at Row:{row}:Column:{column}\n{message}"
    )


def malformed(message: str, text: str, position: int) -> SalesforceError:
    """The statement is no SOQL, or SOQL that this stand-in refuses to guess about."""
    return refusal("MALFORMED_QUERY", message, text, position)


def no_such_column(name: str, entity: str, text: str, position: int) -> SalesforceError:
    """The field does not exist, or the user may not see it: the answer is the same."""
    return refusal(
        "INVALID_FIELD",
        f"No such column '{name}' on entity '{entity}'. If you are attempting to use a custom "
        "field, be sure to append the '__c' after the custom field name. Please reference your "
        "WSDL or the describe call for the appropriate names.",
        text,
        position,
    )


def no_such_object(name: str, text: str, position: int) -> SalesforceError:
    """The object does not exist, or the user may not see it."""
    return refusal(
        "INVALID_TYPE",
        f"sObject type '{name}' is not supported. If you are attempting to use a custom object, "
        "be sure to append the '__c' after the entity name. Please reference your WSDL or the "
        "describe call for the appropriate names.",
        text,
        position,
    )


def no_such_relationship(name: str, text: str, position: int) -> SalesforceError:
    """A path names no parent of its object."""
    return refusal(
        "INVALID_FIELD",
        f"Didn't understand relationship '{name}' in field path. If you are attempting to use a "
        "custom relationship, be sure to append the '__r' after the custom relationship name. "
        "Please reference your WSDL or the describe call for the appropriate names.",
        text,
        position,
    )


def no_such_children(name: str, text: str, position: int) -> SalesforceError:
    """A subquery names no child relationship of its object."""
    return refusal(
        "INVALID_TYPE",
        f"Didn't understand relationship '{name}' in FROM part of query call. If you are "
        "attempting to use a custom relationship, be sure to append the '__r' after the custom "
        "relationship name. Please reference your WSDL or the describe call for the appropriate "
        "names.",
        text,
        position,
    )
