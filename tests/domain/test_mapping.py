"""The mapping file: what it may say, what it means, and whether the org can serve it."""

import tomllib
from collections.abc import Mapping

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.domain.mapping import (
    DEFAULT_MAPPING,
    CouponMapping,
    MappingError,
    parse_mapping,
)
from coupon_pipeline.domain.mapping_check import (
    DescribedField,
    DescribedObject,
    MappingFault,
    check_against,
    objects_to_describe,
)
from coupon_pipeline.domain.mapping_schema import json_schema

FULL = """
[coupon]
name = "Campaign__r.Public_Name__c"
max_redemptions = ""
redeem_by = "Until__c"
applies_to.products = "Products__c"

[coupon.metadata]
campaign = "Campaign__r.Name"
dropped = ""

[coupon.defaults]
duration = "once"
percent_off = 12.50

[currency]
options = "corporate_rates"
"""


def refused(text: str) -> MappingError:
    with pytest.raises(MappingError) as caught:
        parse_mapping(text)
    return caught.value


# What a file means ------------------------------------------------------------------------------


def test_without_a_file_fields_map_one_to_one() -> None:
    """The default needs no file, and guesses no duration."""
    assert dict(DEFAULT_MAPPING.fields) == {
        "name": "Name__c",
        "percent_off": "Percent_Off__c",
        "amount_off": "Amount_Off__c",
        "currency": "CurrencyIsoCode",
        "duration": "Duration__c",
        "duration_in_months": "Duration_In_Months__c",
        "max_redemptions": "Max_Redemptions__c",
    }
    assert DEFAULT_MAPPING.metadata == {}
    assert DEFAULT_MAPPING.defaults == {}
    assert DEFAULT_MAPPING.currency_options == "off"
    assert parse_mapping("") == DEFAULT_MAPPING


def test_a_file_changes_the_default_line_by_line() -> None:
    """What a file does not mention stays; an empty text takes a field out."""
    mapping = parse_mapping(FULL)

    assert mapping.fields["name"] == "Campaign__r.Public_Name__c"
    assert mapping.fields["percent_off"] == "Percent_Off__c"
    assert mapping.fields["applies_to.products"] == "Products__c"
    assert "max_redemptions" not in mapping.fields
    assert mapping.metadata == {"campaign": "Campaign__r.Name"}
    assert mapping.defaults["duration"] == "once"
    assert str(mapping.defaults["percent_off"]) == "12.50"
    assert mapping.currency_options == "corporate_rates"


def test_the_paths_over_relationships_are_named_apart() -> None:
    """They are read beside the coupon's own fields, and only when a mapping names them."""
    mapping = parse_mapping(FULL)

    assert mapping.relationship_paths() == ("Campaign__r.Name", "Campaign__r.Public_Name__c")
    assert set(mapping.relationship_paths()) < set(mapping.paths)
    assert list(mapping.paths) == sorted(set(mapping.paths))


def test_defaults_may_be_dates_lists_and_numbers() -> None:
    """TOML has types of its own; a record gives texts."""
    mapping = parse_mapping(
        "[coupon.defaults]\n"
        "redeem_by = 2027-01-31\n"
        "max_redemptions = 10\n"
        'applies_to.products = ["prod_a", "prod_b"]\n'
    )
    moment = parse_mapping("[coupon.defaults]\nredeem_by = 2027-01-31T10:00:00+01:00\n")

    assert mapping.defaults == {
        "redeem_by": "2027-01-31",
        "max_redemptions": 10,
        "applies_to.products": "prod_a;prod_b",
    }
    assert moment.defaults == {"redeem_by": "2027-01-31T09:00:00Z"}


# The hash ---------------------------------------------------------------------------------------

lines = st.permutations(
    [
        '{0}name{1}={1}"Title__c"',
        '{0}redeem_by{1}={1}"Until__c"',
        '{0}duration{1}={1}""',
        '{0}"applies_to.products"{1}={1}"Products__c"',
    ]
)


@given(
    lines,
    st.sampled_from(["", "  ", "\t"]),
    st.sampled_from(["", " ", "   "]),
    st.sampled_from(["\n", "  # note\n\n"]),
)
def test_the_hash_does_not_depend_on_how_the_file_is_laid_out(
    shuffled: list[str], indent: str, gap: str, end: str
) -> None:
    """A reformatted file must not make every derived row stale."""
    text = "[coupon]\n" + "".join(line.format(indent, gap) + end for line in shuffled)
    plain = (
        '[coupon]\nduration = ""\nname = "Title__c"\nredeem_by = "Until__c"\n'
        'applies_to.products = "Products__c"\n'
    )

    assert parse_mapping(text).mapping_hash == parse_mapping(plain).mapping_hash


def test_the_hash_does_not_depend_on_the_spelling_of_a_number() -> None:
    """10 and 10.0 make the same coupon."""
    one = parse_mapping("[coupon.defaults]\npercent_off = 10\n")
    other = parse_mapping("[coupon.defaults]\npercent_off = 10.00\n")

    assert one.mapping_hash == other.mapping_hash


@pytest.mark.parametrize(
    "text",
    [
        '[coupon]\nname = "Title__c"\n',
        '[coupon]\nname = ""\n',
        '[coupon.metadata]\nname = "Name__c"\n',
        '[coupon.defaults]\nname = "Spring"\n',
        '[currency]\noptions = "corporate_rates"\n',
    ],
)
def test_the_hash_changes_with_what_the_mapping_means(text: str) -> None:
    """Dagster learns from it which assets are stale."""
    assert parse_mapping(text).mapping_hash != DEFAULT_MAPPING.mapping_hash


def test_repeating_the_default_changes_nothing() -> None:
    """A file that spells the default out is the default."""
    text = '[coupon]\nname = "Name__c"\n[currency]\noptions = "off"\n'

    assert parse_mapping(text).mapping_hash == DEFAULT_MAPPING.mapping_hash


# What is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("[coupon\n", "mapping.invalid", "line 1"),
        ('[coupon]\nname = "A__c"\nname = "B__c"\n', "mapping.invalid", "line 3"),
        ('[coupons]\nname = "A__c"\n', "mapping.invalid", "coupons is unknown"),
        ('[coupon]\nprecent_off = "A__c"\n', "mapping.invalid", "line 2"),
        ('[coupon]\nprecent_off = "A__c"\n', "mapping.invalid", "coupon.precent_off"),
        ('coupon = {precent_off = "A__c"}\n', "mapping.invalid", "[coupon]"),
        ("[coupon]\n\nname = 5\n", "mapping.invalid", "line 3"),
        ("[coupon]\nname = true\n", "mapping.invalid", "a boolean"),
        ("[coupon]\napplies_to.prices = 'A__c'\n", "mapping.invalid", "applies_to.prices"),
        ('coupon = "x"\n', "mapping.invalid", "not a section"),
        ('[coupon]\nmetadata = "x"\n', "mapping.invalid", "coupon.metadata"),
        ('[currency]\noptions = "market"\n', "mapping.invalid", "corporate_rates"),
        ('[currency]\nrates = "x"\n', "mapping.invalid", "currency.rates"),
        ('[coupon.metadata]\nkey = ["a"]\n', "mapping.invalid", "a list"),
        ('[coupon]\nname = "Name c"\n', "mapping.path_invalid", "'Name c'"),
        ('[coupon]\nname = "Campaign__c.Name"\n', "mapping.path_invalid", "Campaign__r"),
        ('[coupon]\nname = "Campaign__r"\n', "mapping.path_invalid", "no field"),
        ('[coupon]\nname = "A.B.C.D.E.F.G"\n', "mapping.path_invalid", "6 relationships"),
        ('[coupon]\nname = "Name__c; DELETE"\n', "mapping.path_invalid", "letters"),
        ('[coupon.defaults]\nduration = "twice"\n', "mapping.default_invalid", "forever"),
        ("[coupon.defaults]\nmax_redemptions = 0\n", "mapping.default_invalid", "above 0"),
        ("[coupon.defaults]\nmax_redemptions = 1.5\n", "mapping.default_invalid", "1.5"),
        ("[coupon.defaults]\npercent_off = true\n", "mapping.default_invalid", "text or a number"),
        ('[coupon.defaults]\npercent_off = "10%"\n', "mapping.default_invalid", "a number"),
        ('[coupon.defaults]\ncurrency = "euro"\n', "mapping.default_invalid", "three letters"),
        ('[coupon.defaults]\nredeem_by = "soon"\n', "mapping.default_invalid", "a date"),
        (
            "[coupon.defaults]\nredeem_by = 2027-01-31T10:00:00\n",
            "mapping.default_invalid",
            "its zone",
        ),
        ('[coupon.defaults]\nname = ["a"]\n', "mapping.default_invalid", "list"),
        ("[coupon.defaults]\nname = 5\n", "mapping.default_invalid", "a text"),
        ('[coupon.metadata]\n"a[b]" = "A__c"\n', "metadata.key_invalid", "a[b]"),
        (f'[coupon.metadata]\n{"k" * 41} = "A__c"\n', "metadata.key_invalid", "40"),
        ('[coupon.metadata]\n"" = "A__c"\n', "metadata.key_invalid", "1 to 40"),
        ('[coupon.metadata]\ncoupon_pipeline_terms = "A__c"\n', "mapping.key_reserved", "line 2"),
        (
            '[coupon.metadata]\nsalesforce_quote_stripe_coupon_id = "Id"\n',
            "mapping.key_reserved",
            "itself",
        ),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_and_says_where(
    text: str, code: str, told: str
) -> None:
    """A mapping that is half understood would grant wrong discounts."""
    error = refused(text)

    assert error.code == code
    assert told in error.message + error.fix
    assert "(unknown" not in str(error)
    assert "coupon-pipeline" in error.fix


def test_a_coupon_holds_at_most_fifty_metadata_keys_with_ours() -> None:
    """Stripe would refuse the coupon as a whole, for every order."""
    fits = "[coupon.metadata]\n" + "".join(f'k{number} = "A__c"\n' for number in range(47))

    assert len(parse_mapping(fits).metadata) == 47
    assert refused(fits + 'one_more = "A__c"\n').code == "metadata.too_many_keys"


# JSON Schema ------------------------------------------------------------------------------------


def plain_document(text: str) -> dict[str, object]:
    return tomllib.loads(text)


@pytest.mark.parametrize("text", ["", FULL, '[coupon.defaults]\nmax_redemptions = "10"\n'])
def test_the_schema_accepts_what_the_pipeline_accepts(text: str) -> None:
    """An editor must not complain about a file that works."""
    parse_mapping(text)
    jsonschema.validate(plain_document(text), json_schema())


@pytest.mark.parametrize(
    "text",
    [
        '[coupons]\nname = "A__c"\n',
        '[coupon]\nprecent_off = "A__c"\n',
        "[coupon]\nname = 5\n",
        '[coupon]\nname = "Name c"\n',
        '[coupon.defaults]\nduration = "twice"\n',
        "[coupon.defaults]\nmax_redemptions = 0\n",
        '[coupon.metadata]\n"a[b]" = "A__c"\n',
        f'[coupon.metadata]\n{"k" * 41} = "A__c"\n',
        '[currency]\noptions = "market"\n',
        '[coupon]\napplies_to.prices = "A__c"\n',
    ],
)
def test_the_schema_refuses_what_the_pipeline_refuses(text: str) -> None:
    """The error is seen while the file is written, not when it runs."""
    refused(text)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain_document(text), json_schema())


def test_the_schema_is_a_schema() -> None:
    """Editors load it as it is."""
    jsonschema.Draft202012Validator.check_schema(json_schema())


# Against the org --------------------------------------------------------------------------------


def an_object(
    name: str, *fields: DescribedField, hidden: frozenset[str] = frozenset()
) -> DescribedObject:
    return DescribedObject(name, {field.name: field for field in fields}, hidden)


QUOTE_COUPON = an_object(
    "Quote_Stripe_Coupon__c",
    DescribedField("Name__c", "string"),
    DescribedField("Percent_Off__c", "double"),
    DescribedField("Amount_Off__c", "double"),
    DescribedField("Duration__c", "picklist"),
    DescribedField("Duration_In_Months__c", "double"),
    DescribedField("Max_Redemptions__c", "double"),
    DescribedField("Is_Partner__c", "boolean"),
    DescribedField("Campaign__c", "reference", "Campaign__r", ("Campaign",)),
    DescribedField("OwnerId", "reference", "Owner", ("Group", "User")),
    hidden=frozenset({"Secret__c"}),
)
CAMPAIGN = an_object(
    "Campaign",
    DescribedField("Name", "string"),
    DescribedField("EndDate", "date"),
    DescribedField("Place__c", "location"),
)
GROUP = an_object("Group", DescribedField("Name", "string"))
USER = an_object("User", DescribedField("Name", "string"), DescribedField("Email", "email"))
ORG = {each.name: each for each in (QUOTE_COUPON, CAMPAIGN, GROUP, USER)}


def faults_of(text: str, objects: Mapping[str, DescribedObject] = ORG) -> list[MappingFault]:
    return list(check_against(parse_mapping(text), objects))


def test_the_default_mapping_fits_an_org_with_a_single_currency() -> None:
    """There CurrencyIsoCode exists on no object, and nothing is wrong with that."""
    assert faults_of("") == []


def test_paths_over_relationships_are_followed() -> None:
    """Also through a lookup that may hold records of several objects."""
    text = (
        '[coupon]\nredeem_by = "Campaign__r.EndDate"\n'
        '[coupon.metadata]\nowner = "Owner.Email"\npartner = "Is_Partner__c"\n'
    )

    assert faults_of(text) == []


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ('[coupon]\nname = "Nmae__c"\n', "mapping.field_unknown", "Name__c"),
        ('[coupon]\nname = "name__c"\n', "mapping.field_unknown", "Name__c"),
        ('[coupon]\nname = "Campaign__r.Nam"\n', "mapping.field_unknown", "Campaign"),
        ('[coupon]\nname = "Zzz__c"\n', "mapping.field_unknown", "(none is near)"),
        ('[coupon]\nname = "Campain__r.Name"\n', "mapping.relationship_unknown", "Campaign__r"),
        ('[coupon]\nname = "Secret__c"\n', "mapping.field_not_readable", "read access"),
        ('[coupon]\nname = "Is_Partner__c"\n', "mapping.field_wrong_type", "boolean"),
        ('[coupon]\npercent_off = "Duration__c"\n', "mapping.field_wrong_type", "picklist"),
        ('[coupon]\nredeem_by = "Percent_Off__c"\n', "mapping.field_wrong_type", "datetime"),
        (
            '[coupon.metadata]\nplace = "Campaign__r.Place__c"\n',
            "mapping.field_wrong_type",
            "metadata.place",
        ),
    ],
)
def test_a_line_that_the_org_cannot_serve_is_found_before_anything_runs(
    text: str, code: str, told: str
) -> None:
    """With the nearest real name, because it is mostly a typing error."""
    faults = faults_of(text)

    assert [fault.code for fault in faults] == [code]
    assert told in faults[0].message + faults[0].fix
    assert "(unknown" not in faults[0].message + faults[0].fix


def test_a_hidden_field_of_the_package_is_told_from_one_that_is_not_there() -> None:
    """The package brings it, so a missing permission is the only reason."""
    fields = {name: each for name, each in QUOTE_COUPON.fields.items() if name != "Percent_Off__c"}
    hidden = {**ORG, QUOTE_COUPON.name: DescribedObject(QUOTE_COUPON.name, fields)}

    assert [fault.code for fault in faults_of("", hidden)] == ["mapping.field_not_readable"]


def test_the_objects_to_describe_are_asked_for_step_by_step() -> None:
    """A path's next object is known only once the one before is described."""
    mapping = parse_mapping(FULL)
    described: dict[str, DescribedObject] = {}
    asked: list[frozenset[str]] = []
    while wanted := objects_to_describe(mapping, described):
        asked.append(wanted)
        described.update({name: ORG[name] for name in wanted})

    assert asked == [{"Quote_Stripe_Coupon__c"}, {"Campaign"}]


def test_a_mapping_is_compared_by_what_it_says() -> None:
    """Resources and caches compare mappings."""
    assert isinstance(parse_mapping(FULL), CouponMapping)
    assert parse_mapping(FULL) == parse_mapping(FULL + "\n")
