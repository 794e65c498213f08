"""The one door through which a model enters the records."""

from pipeline.bundle.bundle import Bundle
from pipeline.tracking import ledger, registry, runs


def enter(name: str, bundle: Bundle) -> str:
    """The bundle's version in the registry; the run or version that the server lacks is made of ledger and bundle."""
    run_id = runs.restore(ledger.recorded(bundle) or ledger.entry(bundle, {}), bundle)
    return registry.register(name, bundle, run_id)
