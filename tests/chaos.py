"""``make chaos``: what kill -9, the same command at the same time, a full disk and folders that cannot be written do to
every command that writes.

On drawn faces; see ``laboratory`` for what is done and compared. The trials so far are kept in build/chaos.jsonl, so
that the program itself can be interrupted; reports/chaos.md counts them.
"""

import argparse
import json
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from laboratory import COMMANDS, FULL, KILL, PAIR, READ_ONLY, Laboratory, Trial, may_mount

ROOT = Path(__file__).parent.parent
TRIALS, PAGE = ROOT / "build/chaos.jsonl", ROOT / "reports/chaos.md"
AFTER = ("*As undisturbed*: the same command then ends well; its files hold what an undisturbed run leaves, bit for "
         "bit (networks, curves, ONNX files, tables, charts) but for times and ids; MLflow and the study have as many "
         "finished runs, models, versions and trials, nothing that is RUNNING or half logged, and the same champion; "
         "no temporary file is left.")
# The commands whose loss does the most harm come first
HARM = ("promote, over a champion", "promote", "tune, two workers", "train", "import-run", "evaluate", "quantise",
        "ensemble", "tune", "balance", "validate", "download", "demo")
# Kind of trial: the heads of the columns, and what is done
KINDS = {
    KILL: ("kills", "hit", "Killed with `kill -9` (its whole process group) at a random moment of its run, then called "
           "again; of two workers one is killed. *Hit*: it was still running."),
    PAIR: ("pairs", "at once", "Two processes of the same command at once, the second up to a third of a run later. "
           "Both end well, or one says in one line that another is at it; what is there then is as after one."),
    FULL: ("disks", "full", "Run three times on a disk that is full after a random share of what the command writes, "
           "then with enough room. Each time it says so in one line, with an exit code, and nothing is half-written."),
    READ_ONLY: ("rounds", "refused", "Run while it cannot write to `data/`, to `reports/`, to `mlruns/`, to the whole "
                "project, then while it can. It says so in one line, nothing is half-written, and no epoch is trained "
                "twice."),
}


def main(argv: list[str] | None = None) -> None:
    """Disturb every command and write reports/chaos.md; exit code 1 where anything was lost."""
    parser = argparse.ArgumentParser("make chaos", description=main.__doc__)
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help=", ".join(command.name for command in COMMANDS))
    parser.add_argument("--kills", type=int, default=20, help="of each command; default: 20")
    parser.add_argument("--pairs", type=int, default=5, help="of each command; default: 5")
    parser.add_argument("--disks", type=int, default=5, help="full ones for each command; default: 5")
    parser.add_argument("--jobs", type=int, default=1, help="trials at a time; default: 1")
    parser.add_argument("--fresh", action="store_true", help="forget the trials so far")
    options = parser.parse_args(argv)
    if unknown := set(options.commands) - {command.name for command in COMMANDS}:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    if options.fresh:
        TRIALS.unlink(missing_ok=True)
    trials = recorded()
    done = {(trial.command, trial.kind, trial.number) for trial in trials}
    with Laboratory(ROOT / "build/chaos") as laboratory, ThreadPoolExecutor(options.jobs) as pool:
        counts = {KILL: options.kills, PAIR: options.pairs}
        if may_mount(laboratory.folder):
            counts |= {FULL: options.disks, READ_ONLY: 1}
        else:
            print("chaos: this user may not mount a disk: no full disk, no read-only folder")
        disturb = {KILL: laboratory.kill, PAIR: laboratory.pair, FULL: laboratory.full, READ_ONLY: laboratory.read_only}
        chosen = [command for command in COMMANDS if not options.commands or command.name in options.commands]
        wanted = [(number, command, kind) for command in sorted(chosen, key=lambda command: HARM.index(command.name))
                  for kind, count in counts.items() if command.twins == 1 or kind == KILL
                  for number in range(count) if (command.name, kind, number) not in done]
        # a few of each, then more
        wanted.sort(key=lambda trial: trial[0])
        futures = [pool.submit(disturb[kind], command, number) for number, command, kind in wanted]
        for future in as_completed(futures):
            if future.exception() is not None:
                pool.shutdown(cancel_futures=True)
            trial = future.result()
            trials.append(trial)
            keep(trial)
            print(f"{trial.command}, {trial.kind} {trial.number + 1} at {trial.moment:.0%}: "
                  f"{'; '.join(trial.problems) or 'as undisturbed'}", flush=True)
            PAGE.write_text(page(trials), encoding="utf-8")
    print(f"chaos: {PAGE.relative_to(ROOT)}")
    if any(trial.problems for trial in trials):
        sys.exit(1)


def recorded() -> list[Trial]:
    """The trials so far."""
    rows = TRIALS.read_text(encoding="utf-8").splitlines() if TRIALS.exists() else []
    return [Trial(**{**json.loads(row), "problems": tuple(json.loads(row)["problems"])}) for row in rows]


def keep(trial: Trial) -> None:
    """Add a trial to those so far."""
    TRIALS.parent.mkdir(exist_ok=True)
    with TRIALS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(trial)) + "\n")


def page(trials: list[Trial]) -> str:
    """reports/chaos.md."""
    intention = f"Every command that writes, disturbed, on drawn faces. {AFTER} Generated by `make chaos`."
    rows = ["# Chaos", "", *textwrap.wrap(intention, 118)]
    for kind, (count, hit, done) in KINDS.items():
        rows += ["", f"## {kind.capitalize()}", "", *textwrap.wrap(done, 118), "",
                 f"| command | {count} | {hit} | as undisturbed | else |", "|---|---|---|---|---|"]
        for command in COMMANDS:
            own = [trial for trial in trials if (trial.command, trial.kind) == (command.name, kind)]
            if own:
                bad = [trial for trial in own if trial.problems]
                rows.append(f"| {command.name} | {len(own)} | {sum(trial.hit for trial in own)} | "
                            f"{len(own) - len(bad)} | {'<br>'.join(sorted({trial.problems[0] for trial in bad}))} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
