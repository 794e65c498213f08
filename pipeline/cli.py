"""The command ``ferpipe COMMAND``; a command's module is imported when it is called, so that help answers at once."""

import argparse
import importlib
import os
import sys
from collections.abc import Callable

from pipeline.system import extras, failure, telemetry

COMPLETION = "completion"
# command: (module inside pipeline whose main(argv) it is, what it does)
COMMANDS = {
    "run": ("run", "the whole pipeline: data, search, training, evaluation, promotion, demo clip"),
    "params": ("params.origins", "every parameter in force and where it comes from"),
    "promote": ("promote.__main__", "compare the trained model with the champion, and promote it if it is better"),
    "study": ("tune.dashboard", "look at the studies in optuna-dashboard, or write a study's report"),
    "tune-worker": ("tune.worker", "join a study that runs, on this machine or, with OPTUNA_STORAGE, on any other"),
    "card": ("promote.card.main", "write the champion's model card again, in reports/champion/"),
    "robustness": ("evaluate.command", "a model's accuracy on blurred, noisy, dark, hidden faces"),
    "trust": ("reporting.trust", "how far the champion's answers can be trusted: calibration, coverage, behaviour"),
    "demo": ("demo.main", "show the champion on a webcam, file, folder or stream"),
    "predict": ("demo.predict.main", "the champion on pictures, folders, videos: table, JSON, CSV, marked files"),
    "score": ("reporting.score", "how good a model is on any folder of labelled faces"),
    "compare": ("reporting.compare", "two models image by image: difference, interval, McNemar's test, every class"),
    "explain": ("reporting.explain.main", "which parts of a face an answer rests on, and on average for an emotion"),
    "bench-demo": ("reporting.bench.demo", "how fast the demo is here, step by step"),
    "web": ("demo.web.main", "the demo as a page for browsers, and the API"),
    "web-static": ("demo.web.build", "build the page as a static site that needs no server"),
    "bench-static": ("reporting.bench.static", "how fast the static page is in a browser here, and what it downloads"),
    "bench-load": ("reporting.bench.load", "how many clients the page and the API bear: waiting times, errors, memory"),
    "ui": ("tracking.ui", "open MLflow's pages on this machine"),
    "resolve": ("experiments.resolve", "print the recipe with everything filled in, as JSON for training elsewhere"),
    "import-run": ("experiments.import_run", "import a run that was trained elsewhere"),
    "quantise": ("experiments.quantise", "make an int8 bundle of a float32 one, for small devices"),
    "start-from": ("experiments.start_from", "keep a model's weights for recipes that start from them"),
    "teach": ("experiments.teach", "save trained models' predictions on Training, for recipes with teachers"),
    "ensemble": ("experiments.ensemble.main", "combine several models into one: all those named, or the best subset"),
    "bench": ("reporting.bench.inference", "time the champion under ONNX Runtime, LiteRT and Keras, beside S1's net"),
    "results": ("reporting.tables.results_table", "regenerate reports/results.md and README.md's table"),
    "recipes": ("reporting.tables.recipe_table", "regenerate reports/recipes.md, the published systems beside ours"),
    "index": ("reporting.cards.index", "regenerate reports/index.html, which leads to all pages, and the data card"),
    "labels": ("reporting.labels.main", "FER-2013's probable label errors, and the ceiling that they set"),
    "seeds": ("experiments.seeds", "train several seeds of a recipe, straight into the ledger"),
    "speedrun": ("experiments.speedrun", "the most accuracy in eight minutes of two cores; the log of what was tried"),
    "replicate": ("experiments.replications.main", "the published systems' side findings, tried again"),
    "bench-train": ("reporting.bench.throughput", "time every recipe's training against plain Keras fit"),
    "bench-tune": ("experiments.tuning.main", "does the search pay at the same CPU time, and how does it scale?"),
    "rebuild-mlflow": ("tracking.rebuild", "fill an empty MLflow from the ledger and the bundles"),
    COMPLETION: ("cli", "a script for bash, zsh or fish that completes commands by the Tab key"),
}

INSTALLING = """Print the script that completes ferpipe's commands, options and recipes by the Tab key. To install it:
  bash   ferpipe completion bash > ~/.local/share/bash-completion/completions/ferpipe
  zsh    ferpipe completion zsh > ~/.zfunc/_ferpipe      (~/.zfunc in fpath)
  fish   ferpipe completion fish > ~/.config/fish/completions/ferpipe.fish"""

# No telemetry, less chatter, the same encoding everywhere; what is set already stays
ENVIRONMENT = {
    **telemetry.OFF,
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONUTF8": "1",
    "PYTHONUNBUFFERED": "1",
}


def usage() -> str:
    """The page that ``ferpipe --help`` prints."""
    commands = "\n".join(f"  {name:<16}{what}" for name, (_, what) in COMMANDS.items())
    return f"""usage: ferpipe COMMAND [OPTIONS]

{commands}

ferpipe COMMAND --help prints a command's options. Every stage can also be run alone:
python -m pipeline.STAGE (download, validate, balance, tune, train, evaluate)."""


def load(name: str) -> Callable[[list[str]], None]:
    """The command's ``main``, its module imported now."""
    return completion if name == COMPLETION else importlib.import_module(f"pipeline.{COMMANDS[name][0]}").main


def completion(argv: list[str]) -> None:
    """Print the script that completes commands, options and recipes by the Tab key."""
    from pipeline.faces.datasets import BUILT_IN
    from pipeline.params import recipe
    from pipeline.system import completion as shells

    parser = argparse.ArgumentParser(f"ferpipe {COMPLETION}", formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=INSTALLING)
    parser.add_argument("shell", choices=shells.SHELLS)
    shell = parser.parse_args(argv).shell
    commands = {}
    for name, (_, purpose) in COMMANDS.items():
        try:
            commands[name] = shells.parser_of(load(name)), purpose
        except ModuleNotFoundError:
            # Of an extra that is not installed: the name alone is completed
            commands[name] = None, purpose
    print(shells.script("ferpipe", commands, shell, {"RECIPE": recipe.names(), "DATASET": list(BUILT_IN)}))


def main(argv: list[str] | None = None) -> None:
    """Call the command's module. Exits with 2 for an unknown command, 1 for an expected failure."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"ferpipe: there is no command {name!r}{failure.did_you_mean(name, COMMANDS)}; there are "
              f"{', '.join(COMMANDS)}", file=sys.stderr)
        sys.exit(2)
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    # What argparse calls the program in its messages
    sys.argv = [f"ferpipe {name}", *rest]
    failure.run(extras.checked(lambda: load(name)(rest)), f"ferpipe {name}")


if __name__ == "__main__":
    main()
