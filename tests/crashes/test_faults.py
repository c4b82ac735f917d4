"""A sample of the fault matrix: success or a named error, and the next run mends it."""

from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from tests.crashes.faults import SCENARIO, Ending, Fault, try_fault
from tests.crashes.scenarios import SCENARIOS
from tests.crashes.states import BothSystems
from tests.crashes.trials import undisturbed

# Requests of the scenario: Salesforce's 3rd reads orders, Stripe's last one attaches.
ATTACH = 3


@dataclass(frozen=True)
class Trial:
    """A fault, and whether the run is to end in success all the same."""

    fault: Fault
    ends_well: bool


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory, instance: dg.DagsterInstance) -> BothSystems:
    """What both systems are without a fault."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return undisturbed(SCENARIOS[SCENARIO], "at once", folder, instance).state


@pytest.mark.parametrize(
    "trial",
    [
        Trial(Fault("stripe", "refused", ATTACH, stays=True), ends_well=False),
        Trial(Fault("stripe", "hold_after", ATTACH, stays=False), ends_well=True),
        Trial(Fault("stripe", "error_after", ATTACH, stays=True), ends_well=False),
        # an access token that has expired cannot be renewed by itself
        Trial(Fault("salesforce", "session_expired", 3, stays=False), ends_well=False),
        Trial(Fault("salesforce", "maintenance", 3, stays=True), ends_well=False),
        Trial(Fault("salesforce", "truncated", 4, stays=False), ends_well=True),
    ],
    ids=lambda trial: str(trial.fault),
)
def test_a_fault_ends_in_success_or_a_named_error_and_the_next_run_completes_it(
    tmp_path: Path, instance: dg.DagsterInstance, wanted: BothSystems, trial: Trial
) -> None:
    """All faults at all calls are in docs/fault-matrix.md."""
    ending = Ending()

    try_fault(SCENARIOS[SCENARIO], trial.fault, wanted, tmp_path, instance, ending)

    assert ending.wrong == []
    assert ("success" in ending.endings) == trial.ends_well, ending.endings
