"""``cx``: reports, checks, benchmarks and claims from the command line."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from .errors import CxError

_EPILOG = "Exit codes: 0 all well, 1 some report failed, 2 wrong input."


class _Group(click.Group):
    """A group whose errors are four short lines, and whose commands are forgiving of typing."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CxError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(2)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            from .errors import unknown

            raise unknown("command", args[0], self.commands, do="cx --help lists them")
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from .report.manifest import version

        click.echo(f"cxlib {version()}")
        ctx.exit()


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version,
    help="Print the version.",
)  # fmt: skip
def main() -> None:
    """Put claims on customer experience to the test, with your own survey.

    A study file says where the data are and what the columns mean. "cx report" runs the notebooks
    on it and leaves a folder of pages: an index with a verdict for each claim, and the evidence.

    \b
    Example:
      cx report sample
    """


@main.command(epilog=_EPILOG)
@click.argument("study", nargs=-1, required=True)
@click.option("--notebook", "-n", multiple=True, metavar="N", help="Only this one; repeatable.")
@click.option("--by", multiple=True, metavar="COL", help="Also a report for each value of COL.")
@click.option("--where", multiple=True, metavar="COL=VALUE", help="Only these respondents.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter.")
@click.option("--out", default="reports", show_default=True, metavar="DIR", help="Where to.")
@click.option("--jobs", "-j", type=int, metavar="N", help="Reports made at a time.")
@click.option("--force", is_flag=True, help="Make again what has not changed.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
def report(
    study: tuple[str, ...],
    notebook: tuple[str, ...],
    by: tuple[str, ...],
    where: tuple[str, ...],
    settings: tuple[str, ...],
    out: str,
    jobs: int | None,
    force: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run the notebooks on a STUDY and write its pages.

    STUDY is a study file or the name of a carried study. What has not changed since the last run
    is not made again. A report that fails leaves the last good one in place.

    \b
    Examples:
      cx report sample
      cx report wave3.toml --notebook 25-loyalty-loss --by sector --set level=0.9
    """
    from .report.progress import progress
    from .report.run import report as run

    try:
        signal.signal(signal.SIGTERM, _interrupt)
        with progress(quiet=quiet or as_json) as shown:
            outcome = run(
                study,
                notebooks=notebook,
                by=by,
                where=where,
                settings=settings,
                out=out,
                jobs=jobs,
                force=force,
                progress=shown,
            )
    except CxError as error:
        if as_json:
            click.echo(json.dumps({"ok": False, "error": error.to_dict()}, ensure_ascii=False))
        raise
    except KeyboardInterrupt:
        click.echo("stopped; what stood before still stands", err=True)
        sys.exit(130)
    if as_json:
        click.echo(json.dumps(outcome.to_dict(), indent=1, ensure_ascii=False))
    elif not quiet:
        _say(outcome)
    sys.exit(outcome.exit_code)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _say(outcome: Any) -> None:
    content = outcome.to_dict()
    counts = ", ".join(
        f"{content[word]} {word}" for word in ("made", "unchanged", "failed") if content[word]
    )
    click.echo(f"{counts} in {outcome.seconds:.1f} s")
    for path in content["indexes"]:
        click.echo(f"open {path}")


@main.command()
@click.argument("id", required=False)
def benchmarks(id: str | None) -> None:
    """List the published figures, or show one with all that is known of it.

    \b
    Examples:
      cx benchmarks
      cx benchmarks pwc2018_leave1_global
    """
    from .benchmark import benchmark
    from .benchmark import benchmarks as all_benchmarks

    if id is not None:
        click.echo(str(benchmark(id)))
        return
    for row in all_benchmarks():
        click.echo(f"{row.id:<34} {_figure(row):>12}  {','.join(row.claims):<12} {row.metric}")


def _figure(row: Any) -> str:
    from .show import fmt

    return "–" if row.value is None else fmt(row.value, row.unit.split(" of ")[0])[:12]


@main.command()
def claims() -> None:
    """List the claims that are put to the test, and the notebook that answers each.

    \b
    Example:
      cx claims
    """
    from .claims import claims as all_claims

    for claim in all_claims():
        click.echo(f"{claim.id}  {claim.kind}  {claim.notebook:<22} {claim.question}")


@main.command()
@click.argument("figure", required=False)
@click.option("--detect", metavar="SHARE", help="What must be told from the figure.")
@click.option("--n", type=float, metavar="N", help="Interviews planned: what power they have.")
@click.option("--margin", type=float, metavar="M", help="What counts as the same (0.05: 5 points).")
@click.option("--claim", metavar="ID", help="Without a figure: the figures of this claim only.")
@click.option("--power", type=float, default=0.8, show_default=True, help="Power wanted.")
@click.option("--level", type=float, default=0.95, show_default=True, help="Confidence.")
@click.option("--design-effect", type=float, default=1.5, show_default=True, help="Of our survey.")
@click.option("--their-n", type=int, metavar="N", help="The published n, where it is not known.")
def plan(figure: str | None, **options: Any) -> None:
    """How many interviews a question takes, and what power a planned number has.

    FIGURE is a published figure's id, or a share: 1/3, 33 %, "one in three". Without one, all
    claims.

    \b
    Examples:
      cx plan "one in three" --detect "one in four"
      cx plan pwc2018_leave1_global --detect 0.37 --n 800
      cx plan --claim C03
    """
    from .plan import plan as interviews

    click.echo(str(interviews(figure, **options)))


@main.command()
@click.argument("study", metavar="STUDY|FILE")
def check(study: str) -> None:
    """Say in plain words what there is to know of the data of a study, or of a survey file.

    \b
    Examples:
      cx check sample
      cx check wave3.csv
    """
    from . import quality
    from .read import read_survey
    from .study import open_study

    path = Path(study)
    opened = None if path.suffix and path.suffix != ".toml" else open_study(study)
    survey = read_survey(path) if opened is None else opened.survey
    names = [str(name) for name in survey.frame.columns]
    click.echo(
        f"{study}: {len(survey):,} respondents, {len(names)} columns, {survey.design.text()}"
    )
    parts = [quality.duplicates(survey), _most_missing(quality.missingness(survey, names))]
    if opened is not None:
        parts += [opened.check(quality.speeding, "duration"), quality.weights(survey)]
    for part in parts:
        click.echo(str(part))


def _most_missing(ranking: Any) -> str:
    """The questions that most left unanswered; none of them if nobody did."""
    gaps = [estimate for estimate in ranking if estimate.value > 0]
    if not gaps:
        return f"{ranking.name}: no question"
    lines = [f"{ranking.name}: {len(gaps)} of {len(ranking)} questions"]
    return "\n".join([*lines, *(f"  {e.term}: {e.value_text} of {e.n:,}" for e in gaps[:10])])


@main.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--n", type=int, metavar="N", help="Respondents.")
@click.option("--seed", type=int, metavar="S", help="The same seed gives the same file.")
def simulate(out: Path, n: int | None, seed: int | None) -> None:
    """Write a simulated survey, and what is true of its population, into the folder OUT.

    \b
    Example:
      cx simulate my-study --n 500 --seed 7
    """
    from .simulate import write

    given = {name: value for name, value in (("n", n), ("seed", seed)) if value is not None}
    for path in write(out, **given):
        click.echo(path)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[JUPYTER OPTIONS]")
def lab(options: tuple[str, ...]) -> None:
    """Open the notebooks in JupyterLab.

    \b
    Examples:
      cx lab
      cx lab --no-browser --port 8899
    """
    import importlib.util

    from . import paths

    if importlib.util.find_spec("jupyterlab") is None:
        raise CxError(
            "JupyterLab is not installed",
            got=f"the Python at {sys.executable}",
            want="the package jupyterlab",
            do="pip install jupyterlab",
        )
    start = paths.notebooks() / "00-start-here.ipynb"
    command = [sys.executable, "-m", "jupyterlab", str(start), *options]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
